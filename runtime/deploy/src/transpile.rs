//! One source file to one JavaScript module. TypeScript, JSX and decorators are compiled by swc
//! through `deno_ast`, as in Deno; plain JavaScript stays as it is.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deno_ast::{
    EmitOptions, MediaType, ModuleSpecifier, ParseDiagnostic, ParseParams, ParsedSource, SourceMapOption,
    StartSourcePos, TranspileError, TranspileModuleOptions, TranspileOptions,
};
use isobase_base::limits::SOURCE_MODULES_MAX;

use serde::{Deserialize, Serialize};

use crate::compiler::Compiler;
use crate::compiler_options::CompilerOptions;
use crate::fault::{Position, SourceFault};
use crate::imports::{Import, ImportKind, all_imports, imports};

/// A module ready for the engine, its imports not yet resolved.
#[derive(Serialize, Deserialize)]
pub(crate) struct Script {
    pub(crate) code: Arc<str>,
    pub(crate) source_map: Option<Arc<[u8]>>,
    pub(crate) imports: Vec<ScriptImport>,
    /// What is known of a CommonJS module; `None` of an ES module.
    pub(crate) common: Option<CommonExports>,
}

/// What others find in a CommonJS module, as far as reading it tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CommonExports {
    pub(crate) names: Vec<String>,
    /// Specifiers of modules whose names it hands on.
    pub(crate) from: Vec<String>,
}

/// An import that is left after types are gone.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ScriptImport {
    pub(crate) specifier: String,
    pub(crate) kind: ImportKind,
    /// `json`, `text`: how the file is to be read.
    pub(crate) media: Option<String>,
    /// Where it stands in the source.
    pub(crate) position: Position,
    /// Whether it may be missing until it is asked for.
    pub(crate) guarded: bool,
}

/// Compiled files, so that a save compiles only what was saved. One entry per file and options.
#[derive(Default)]
pub(crate) struct Scripts {
    compiler: Compiler,
    by_file: HashMap<(PathBuf, u64), (Arc<str>, Arc<Script>)>,
}

/// A file to compile.
pub(crate) struct Source<'a> {
    /// Tells it from others.
    pub(crate) path: &'a Path,
    pub(crate) media_type: MediaType,
    /// Its URL inside the isolate.
    pub(crate) specifier: &'a str,
    /// Its name for people.
    pub(crate) shown: &'a str,
    pub(crate) text: Arc<str>,
}

impl Scripts {
    pub(crate) fn new(compiler: Compiler) -> Self {
        Self { compiler, by_file: HashMap::new() }
    }

    pub(crate) fn compile(
        &mut self,
        source: Source<'_>,
        options: &CompilerOptions,
    ) -> Result<Arc<Script>, SourceFault> {
        let mut hasher = DefaultHasher::new();
        options.hash(&mut hasher);
        source.media_type.as_ts_extension().hash(&mut hasher);
        let key = (source.path.to_path_buf(), hasher.finish());
        if let Some((text, script)) = self.by_file.get(&key)
            && **text == *source.text
        {
            return Ok(Arc::clone(script));
        }
        let script = Arc::new(self.compiler.own(&source, options)?);
        if self.by_file.len() >= SOURCE_MODULES_MAX {
            self.by_file.clear();
        }
        self.by_file.insert(key, (source.text, Arc::clone(&script)));
        Ok(script)
    }
}

/// Reads and compiles one file.
pub(crate) fn compile(source: &Source<'_>, options: &CompilerOptions) -> Result<Script, SourceFault> {
    let options = TranspileOptions {
        decorators: options.decorators.into(),
        jsx: Some((&options.jsx).into()),
        ..TranspileOptions::default()
    };
    if matches!(source.media_type, MediaType::Cjs | MediaType::Cts) {
        return compile_common(source, &options);
    }
    let Source { media_type, specifier, shown, text, .. } = source;
    let parsed =
        parse(specifier, Arc::clone(text), *media_type).map_err(|error| syntax_fault(shown, text, &error))?;
    let written = imports(&parsed);
    if matches!(media_type, MediaType::JavaScript | MediaType::Mjs) {
        let code = without_attributes(text, &written);
        let imports = kept(&written, &written, shown, text);
        return Ok(Script { code, source_map: None, imports, common: None });
    }
    let (code, source_map) = emitted(parsed, &options, shown, text)?;
    // Types are gone only now, so what is imported is read from the result.
    let result = parse(specifier, Arc::clone(&code), MediaType::JavaScript)
        .map_err(|error| SourceFault::new(format!("{shown}: the compiled code does not parse: {error}")))?;
    let left = imports(&result);
    Ok(Script {
        code: without_attributes(&code, &left),
        source_map,
        imports: kept(&left, &written, shown, text),
        common: None,
    })
}

/// CommonJS: `.cjs`, `.cts`, and `.js` where a `package.json` says so.
fn compile_common(source: &Source<'_>, options: &TranspileOptions) -> Result<Script, SourceFault> {
    let Source { media_type, specifier, shown, text, .. } = source;
    let fault = |error: ParseDiagnostic| syntax_fault(shown, text, &error);
    let (code, source_map) = if *media_type == MediaType::Cts {
        let parsed = parse(specifier, Arc::clone(text), *media_type).map_err(fault)?;
        emitted(parsed, options, shown, text)?
    } else {
        (Arc::clone(text), None)
    };
    let parsed = parse_any(specifier, Arc::clone(&code), MediaType::Cjs).map_err(fault)?;
    let left = all_imports(&parsed).imports;
    let common = Some(common_exports(&parsed));
    Ok(Script { imports: kept(&left, &left, shown, &code), code, source_map, common })
}

pub(crate) fn common_exports(parsed: &ParsedSource) -> CommonExports {
    let found = parsed.analyze_cjs();
    CommonExports { names: found.exports, from: found.reexports }
}

type Emitted = (Arc<str>, Option<Arc<[u8]>>);

fn emitted(
    parsed: ParsedSource,
    options: &TranspileOptions,
    shown: &str,
    text: &str,
) -> Result<Emitted, SourceFault> {
    let emit = EmitOptions { source_map: SourceMapOption::Separate, ..EmitOptions::default() };
    let emitted = parsed
        .transpile(options, &TranspileModuleOptions::default(), &emit)
        .map_err(|error| transpile_fault(shown, text, &error))?
        .into_source();
    Ok((emitted.text.into(), emitted.source_map.map(|map| map.into_bytes().into())))
}

/// A file that may be a module or a script.
pub(crate) fn parse_any(
    specifier: &str,
    text: Arc<str>,
    media_type: MediaType,
) -> Result<ParsedSource, ParseDiagnostic> {
    deno_ast::parse_program(parameters(specifier, text, media_type))
}

/// An ES module.
pub(crate) fn parse(
    specifier: &str,
    text: Arc<str>,
    media_type: MediaType,
) -> Result<ParsedSource, ParseDiagnostic> {
    deno_ast::parse_module(parameters(specifier, text, media_type))
}

fn parameters(specifier: &str, text: Arc<str>, media_type: MediaType) -> ParseParams {
    ParseParams {
        specifier: ModuleSpecifier::parse(specifier).expect("specifiers are made from URLs"),
        text,
        media_type,
        capture_tokens: false,
        scope_analysis: false,
        maybe_syntax: None,
    }
}

/// The imports `left` in the code, each with its place among those `written` in the source. An
/// import that the compiler added (for JSX) stands at the start of the file.
fn kept(left: &[Import], written: &[Import], shown: &str, text: &str) -> Vec<ScriptImport> {
    let place = |import: &Import| {
        let same = |other: &&Import| other.specifier == import.specifier && other.kind == import.kind;
        let valued = written.iter().find(|other| same(other) && !other.type_only);
        valued.or_else(|| written.iter().find(same)).map_or(0..0, |other| other.range.clone())
    };
    left.iter()
        .map(|import| ScriptImport {
            specifier: import.specifier.clone(),
            kind: import.kind,
            media: import.media.clone(),
            position: Position::of(shown.to_owned(), text, place(import)),
            guarded: import.guarded,
        })
        .collect()
}

/// Blanks out import attributes: every module reaches the engine as JavaScript, JSON included, and
/// would not be accepted as anything else. Columns stay as they are.
pub(crate) fn without_attributes(code: &Arc<str>, imports: &[Import]) -> Arc<str> {
    let ranges: Vec<_> = imports.iter().filter_map(|import| import.attributes.clone()).collect();
    if ranges.is_empty() {
        return Arc::clone(code);
    }
    let mut blanked = String::with_capacity(code.len());
    let mut from = 0;
    for range in ranges {
        blanked.push_str(&code[from..range.start]);
        blanked.extend(code[range.clone()].chars().map(|char| if char == '\n' { '\n' } else { ' ' }));
        from = range.end;
    }
    blanked.push_str(&code[from..]);
    blanked.into()
}

pub(crate) fn syntax_fault(shown: &str, text: &str, error: &ParseDiagnostic) -> SourceFault {
    let range = error.range().as_byte_range(StartSourcePos::START_SOURCE_POS);
    let position = Position::of(shown.to_owned(), text, range);
    SourceFault::new(error.kind().msg().into_owned()).at(position)
}

fn transpile_fault(shown: &str, text: &str, error: &TranspileError) -> SourceFault {
    match error {
        TranspileError::ParseErrors(errors) if !errors.0.is_empty() => {
            syntax_fault(shown, text, &errors.0[0])
        }
        other => SourceFault::new(format!("{shown}: {other}")),
    }
}
