//! Loads a script and everything it imports into the modules an engine runs.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use isobase_base::limits::{SOURCE_FILE_BYTES_MAX, SOURCE_GRAPH_BYTES_MAX, SOURCE_MODULES_MAX};
use isobase_engine::{Code, Module, Program};

use crate::fault::{Position, SourceFault};
use crate::import_map::ImportMap;
use crate::imports::ImportKind;
use crate::probes::Probes;
use crate::resolve::{Folders, Resolved, resolve};
use crate::transpile::{Script, ScriptImport, Scripts, Source};

/// Stands for every import of type declarations.
const EMPTY_MODULE: &str = "file:///_empty.js";

/// What loading needs besides the entrypoint.
pub(crate) struct Loader<'a> {
    pub(crate) folders: &'a Folders,
    pub(crate) map: &'a ImportMap,
    pub(crate) probes: &'a mut Probes,
    pub(crate) scripts: &'a mut Scripts,
}

/// A module found and not yet loaded.
struct Pending {
    path: PathBuf,
    format: Format,
    /// The module that imports it first, and where.
    importer: Option<(usize, Position)>,
}

/// How a file becomes a module.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Format {
    Script,
    /// The parsed value is the default export.
    Json,
    /// The text is the default export.
    Text,
}

/// Files in the order found, the entrypoint first.
#[derive(Default)]
struct Found {
    pending: VecDeque<Pending>,
    index: HashMap<(PathBuf, Format), usize>,
    /// For the chain of a fault: shown name and importer of each.
    trail: Vec<(String, Option<usize>)>,
    uses_empty: bool,
    bytes: u64,
}

impl Loader<'_> {
    /// All modules of the function that begins at `entry`; the entrypoint comes first.
    pub(crate) fn load(&mut self, entry: &Path) -> Result<Program, SourceFault> {
        let mut found = Found::default();
        found.add(self.folders, entry.to_path_buf(), Format::Script, None);
        let mut modules = Vec::new();
        while let Some(pending) = found.pending.pop_front() {
            let number = modules.len();
            let loaded = self.module(&pending, number, &mut found);
            modules.push(loaded.map_err(|fault| found.with_chain(fault, &pending, number))?);
        }
        if found.uses_empty {
            modules.push(Module::script(EMPTY_MODULE, "export {};"));
        }
        Ok(Program { modules, ..Program::default() })
    }

    fn module(&mut self, pending: &Pending, number: usize, found: &mut Found) -> Result<Module, SourceFault> {
        let path = &pending.path;
        let Some(specifier) = self.folders.specifier(path) else {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let message = format!("{name} is outside of the project");
            return Err(pending
                .blame(message)
                .hint("move it into the project, for example to functions/_shared"));
        };
        if number >= SOURCE_MODULES_MAX {
            return Err(pending.blame(format!("the function has more than {SOURCE_MODULES_MAX} modules")));
        }
        let text = self.text(pending, found)?;
        match pending.format {
            Format::Script => {
                let shown = self.folders.shown(path);
                let source = Source { path, specifier: &specifier, shown: &shown, text: text.into() };
                let script = self.scripts.compile(source, &self.map.compiler)?;
                self.script_module(specifier, &script, path, number, found)
            }
            Format::Json => match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
                Ok(_) => Ok(value_module(specifier, &format!("JSON.parse({})", js_string(&text)))),
                Err(error) => Err(json_fault(self.folders.shown(path), &text, &error)),
            },
            Format::Text => Ok(value_module(specifier + "?text", &js_string(&text))),
        }
    }

    fn text(&mut self, pending: &Pending, found: &mut Found) -> Result<String, SourceFault> {
        let path = &pending.path;
        let shown = self.folders.shown(path);
        if !self.probes.is_file(path) {
            let fault = pending.blame(format!("there is no file {shown}"));
            return Err(match self.near_miss(path) {
                Some(hint) => fault.hint(hint),
                None => fault,
            });
        }
        let bytes = self
            .probes
            .read(path, SOURCE_FILE_BYTES_MAX)
            .map_err(|error| pending.blame(format!("cannot read {shown}: {error}")))?;
        found.bytes += bytes.len() as u64;
        if found.bytes > SOURCE_GRAPH_BYTES_MAX {
            let message = format!("the function's modules are larger than {SOURCE_GRAPH_BYTES_MAX} bytes");
            return Err(pending.blame(message));
        }
        let text = String::from_utf8(bytes).map_err(|_| pending.blame(format!("{shown} is not UTF-8")))?;
        Ok(text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned))
    }

    /// What the author may have meant by a path that is no file. Deno demands the full name too.
    fn near_miss(&mut self, path: &Path) -> Option<String> {
        let name = path.file_name()?.to_string_lossy().into_owned();
        let stem = path.file_stem()?.to_string_lossy().into_owned();
        let mut candidates = vec![path.join("index.ts")];
        for end in ["ts", "tsx", "js", "mjs", "jsx", "json"] {
            candidates.push(path.with_file_name(format!("{name}.{end}")));
            candidates.push(path.with_file_name(format!("{stem}.{end}")));
        }
        let found = candidates.into_iter().find(|candidate| self.probes.is_file(candidate))?;
        Some(format!("did you mean {}? Imports name the whole file", self.folders.shown(&found)))
    }

    fn script_module(
        &mut self,
        specifier: String,
        script: &Script,
        path: &Path,
        number: usize,
        found: &mut Found,
    ) -> Result<Module, SourceFault> {
        let mut imports = BTreeMap::new();
        for import in &script.imports {
            let meant = match (self.meaning(import, path, number, found), import.kind) {
                (Ok(meant), _) => meant,
                // It may sit behind a condition or a fallback: the guest sees its own rejection.
                (Err(_), ImportKind::Dynamic) => None,
                (Err(fault), ImportKind::Static) => return Err(fault),
            };
            if let Some(meant) = meant {
                imports.insert(import.specifier.clone(), meant);
            }
        }
        let (code, source_map) = (Code::Script(Arc::clone(&script.code)), script.source_map.clone());
        Ok(Module { specifier, code, source_map, imports })
    }

    /// The specifier of the module that `import` means; `None` where the engine knows it as it is.
    fn meaning(
        &mut self,
        import: &ScriptImport,
        referrer: &Path,
        number: usize,
        found: &mut Found,
    ) -> Result<Option<String>, SourceFault> {
        let fault = |message: String| SourceFault::new(message).at(import.position.clone());
        match resolve(&import.specifier, referrer, self.map) {
            Resolved::Host(url) => Ok((url != import.specifier).then_some(url)),
            Resolved::Types => {
                found.uses_empty = true;
                Ok(Some(EMPTY_MODULE.into()))
            }
            Resolved::Unsupported(message, hint) => Err(fault(message).hint(hint)),
            Resolved::File(path) => {
                let format = format_of(&path, import)?;
                if import.kind == ImportKind::Dynamic && !self.probes.is_file(&path) {
                    return Err(fault("no such file".into()));
                }
                let specifier = self.folders.specifier(&path);
                found.add(self.folders, path, format, Some((number, import.position.clone())));
                let suffix = if format == Format::Text { "?text" } else { "" };
                // Outside of the project: refused when it is loaded, which is next.
                Ok(specifier.map(|specifier| specifier + suffix))
            }
        }
    }
}

impl Found {
    fn add(&mut self, folders: &Folders, path: PathBuf, format: Format, importer: Option<(usize, Position)>) {
        let next = self.index.len();
        let key = (path.clone(), format);
        if *self.index.entry(key).or_insert(next) == next {
            self.trail.push((folders.shown(&path), importer.as_ref().map(|(number, _)| *number)));
            self.pending.push_back(Pending { path, format, importer });
        }
    }

    /// Adds how the faulty file was reached. A fault in an import statement lies in the importer.
    fn with_chain(&self, mut fault: SourceFault, pending: &Pending, number: usize) -> SourceFault {
        let blamed = fault.at.as_ref().is_some_and(|at| at.file != self.trail[number].0);
        let mut step = match &pending.importer {
            Some((importer, _)) if blamed => self.trail[*importer].1,
            Some((importer, _)) => Some(*importer),
            None => None,
        };
        while let Some(importer) = step {
            fault.chain.insert(0, self.trail[importer].0.clone());
            step = self.trail[importer].1;
        }
        fault
    }
}

impl Pending {
    /// A fault of the file as a whole lies where it is imported.
    fn blame(&self, message: String) -> SourceFault {
        let fault = SourceFault::new(message);
        match &self.importer {
            Some((_, position)) => fault.at(position.clone()),
            None => fault,
        }
    }
}

fn format_of(path: &Path, import: &ScriptImport) -> Result<Format, SourceFault> {
    let fault = |message: String| SourceFault::new(message).at(import.position.clone());
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match (import.media.as_deref(), extension) {
        (Some("json"), _) => Ok(Format::Json),
        (Some("text"), _) => Ok(Format::Text),
        (Some(other), _) => Err(fault(format!("imports with {{ type: {other:?} }} are not supported yet"))),
        (None, "json") => {
            let hint = format!("write import … from {:?} with {{ type: \"json\" }}", import.specifier);
            Err(fault("a JSON module must be imported as such".into()).hint(hint))
        }
        (None, "wasm") => Err(fault("WebAssembly modules cannot be imported yet".into())),
        (None, "cjs" | "cts") => Err(fault("CommonJS modules are not supported yet".into())),
        (None, _) => Ok(Format::Script),
    }
}

fn value_module(specifier: String, expression: &str) -> Module {
    Module::script(specifier, format!("export default {expression};"))
}

/// A JSON string is a JavaScript string since ES2019.
fn js_string(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

fn json_fault(shown: String, text: &str, error: &serde_json::Error) -> SourceFault {
    let line_start: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let at = line_start + error.column().saturating_sub(1);
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default().to_owned();
    SourceFault::new(message).at(Position::of(shown, text, at..at + 1))
}
