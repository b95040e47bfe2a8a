//! A module of a package, read: what it is, what it asks for, what others find in it.
//!
//! Files of packages never change, so what was read is kept between builds, by path.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deno_ast::MediaType;
use isobase_base::limits::PACKAGE_READ_BYTES_MAX;
use isobase_packages::ModuleKind;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::compiler::Compiler;
use crate::compiler_options::CompilerOptions;
use crate::fault::{Position, SourceFault};
use crate::imports::{Import, ImportKind, all_imports};
use crate::plain_text::with_plain_comments;
use crate::transpile::{
    CommonExports, Source, common_exports, compile, parse, parse_any, without_attributes,
};

/// A module of a package.
#[derive(Serialize, Deserialize)]
pub(crate) struct PackageScript {
    pub(crate) text: Arc<str>,
    pub(crate) imports: Vec<Import>,
    /// Of a CommonJS module.
    pub(crate) common: Option<CommonExports>,
    pub(crate) reads: Reads,
}

/// What a module may read from beside its code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reads {
    /// It knows where it lies.
    pub(crate) files: bool,
    /// It requires modules whose names are not written in it.
    pub(crate) modules: bool,
}

/// Modules of packages by path. Clones share what they know.
#[derive(Clone, Default)]
pub(crate) struct PackageScripts {
    compiler: Compiler,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    by_path: HashMap<PathBuf, Arc<PackageScript>>,
    bytes: usize,
}

/// Words by which a module finds out where it lies.
const PLACE_WORDS: [&str; 5] =
    ["__dirname", "__filename", "import.meta.url", "import.meta.dirname", "import.meta.filename"];

impl PackageScripts {
    pub(crate) fn new(compiler: Compiler) -> Self {
        Self { compiler, known: Arc::default() }
    }

    /// The module at `path`, called `specifier` in the isolate and `shown` by people. `kind` is what its
    /// `package.json` says of `.js` files.
    pub(crate) fn get(
        &self,
        path: &Path,
        specifier: &str,
        shown: &str,
        kind: Option<ModuleKind>,
    ) -> Result<Arc<PackageScript>, SourceFault> {
        if let Some(known) = self.known.lock().by_path.get(path) {
            return Ok(Arc::clone(known));
        }
        let bytes = std::fs::read(path).map_err(|error| SourceFault::new(format!("{shown}: {error}")))?;
        let text = String::from_utf8_lossy(&bytes);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let media_type = MediaType::from_path(path);
        let source = Source { path, media_type, specifier, shown, text: text.into() };
        let script = Arc::new(self.compiler.package(&source, kind)?);
        let mut known = self.known.lock();
        known.bytes += script.text.len();
        if known.bytes > PACKAGE_READ_BYTES_MAX {
            *known = Known { bytes: script.text.len(), ..Known::default() };
        }
        known.by_path.insert(path.to_owned(), Arc::clone(&script));
        Ok(script)
    }
}

/// Reads one.
pub(crate) fn read(source: &Source<'_>, kind: Option<ModuleKind>) -> Result<PackageScript, SourceFault> {
    let Source { media_type, specifier, shown, text, .. } = source;
    let fault = |error: deno_ast::ParseDiagnostic| crate::transpile::syntax_fault(shown, text, &error);
    let is_typed = matches!(
        media_type,
        MediaType::TypeScript | MediaType::Mts | MediaType::Cts | MediaType::Tsx | MediaType::Jsx
    );
    if is_typed {
        return typed(source);
    }
    let kind = match media_type {
        MediaType::Mjs => Some(ModuleKind::Module),
        MediaType::Cjs => Some(ModuleKind::CommonJs),
        _ => kind,
    };
    let parsed = match kind {
        Some(ModuleKind::Module) => parse(specifier, Arc::clone(text), MediaType::Mjs),
        // `Cjs` allows what scripts may do; what neither is one nor the other is found out by parsing.
        Some(ModuleKind::CommonJs) => parse_any(specifier, Arc::clone(text), MediaType::Cjs),
        None => parse_any(specifier, Arc::clone(text), MediaType::JavaScript),
    };
    let parsed = parsed.map_err(fault)?;
    let is_common = match kind {
        Some(ModuleKind::Module) => false,
        Some(ModuleKind::CommonJs) => true,
        None => parsed.compute_is_script(),
    };
    let found = all_imports(&parsed);
    let common = is_common.then(|| common_exports(&parsed));
    let mut imports = found.imports;
    let text = with_plain_comments(&parsed, Arc::clone(text), &mut imports);
    drop(parsed);
    let reads = reads(&text, found.computed);
    if !is_common && !text.contains("createRequire") {
        imports.retain(|import| import.kind != ImportKind::Require);
    }
    let text = if is_common { text } else { without_attributes(&text, &imports) };
    Ok(PackageScript { text, imports, common, reads })
}

/// TypeScript in a package, compiled as the function's own is.
fn typed(source: &Source<'_>) -> Result<PackageScript, SourceFault> {
    let script = compile(source, &CompilerOptions::default())?;
    let imports = script.imports.iter().map(|import| Import {
        specifier: import.specifier.clone(),
        kind: import.kind,
        media: import.media.clone(),
        range: 0..0,
        attributes: None,
        type_only: false,
        guarded: import.guarded,
    });
    let imports = imports.collect();
    let code = Arc::clone(&script.code);
    Ok(PackageScript {
        imports,
        common: script.common.clone(),
        reads: reads(&source.text, false),
        text: code,
    })
}

fn reads(text: &str, computed: bool) -> Reads {
    let files = PLACE_WORDS.iter().any(|word| text.contains(word));
    Reads { files, modules: computed && (files || text.contains("require")) }
}

impl PackageScript {
    /// Where an import stands, for people.
    pub(crate) fn position(&self, import: &Import, shown: &str) -> Position {
        Position::of(shown.to_owned(), &self.text, import.range.clone())
    }
}
