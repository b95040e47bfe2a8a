//! Texts to scripts, in processes of their own.
//!
//! A parser calls itself for whatever is nested, so a text of brackets alone can overflow its stack, which
//! no program survives; others take it for ever. Texts are anybody's. So they are read in processes that do
//! nothing else: one that ends, or takes too long, fails the text it was given, and the next text gets a new
//! one. What a compiler leaves in memory goes with it as well.
//!
//! - `process.rs` is the side that asks, `serve.rs` the side that answers, `wire.rs` what goes between.

mod process;
mod serve;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use deno_ast::MediaType;
use isobase_packages::ModuleKind;
use serde::{Deserialize, Serialize};

use crate::compiler_options::CompilerOptions;
use crate::fault::SourceFault;
use crate::package_script::{self, PackageScript};
use crate::transpile::{self, Script, Source};
use process::Processes;

pub use serve::serve;

/// Who reads and compiles sources. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Compiler {
    processes: Option<Arc<Processes>>,
}

impl Compiler {
    /// The caller's own process, which a hostile text can end.
    pub fn here() -> Self {
        Self::default()
    }

    /// Processes of `program`, which with these `arguments` has to call [`serve`].
    pub fn in_processes(program: PathBuf, arguments: Vec<String>) -> Self {
        Self { processes: Some(Arc::new(Processes::new(program, arguments))) }
    }

    pub(crate) fn own(&self, source: &Source<'_>, options: &CompilerOptions) -> Result<Script, SourceFault> {
        let Some(processes) = &self.processes else { return transpile::compile(source, options) };
        let task =
            Task::Own { extension: source.media_type.as_ts_extension().to_owned(), options: options.clone() };
        match processes.ask(&Job::new(task, source.specifier, source.shown, &source.text))? {
            Made::Own(script) => Ok(script),
            Made::Package(_) => Err(SourceFault::new("the compiler answered another question")),
        }
    }

    pub(crate) fn package(
        &self,
        path: &Path,
        specifier: &str,
        shown: &str,
        text: &Arc<str>,
        kind: Option<ModuleKind>,
    ) -> Result<PackageScript, SourceFault> {
        let Some(processes) = &self.processes else {
            return package_script::read(path, specifier, shown, text, kind);
        };
        let task =
            Task::Package { path: path.to_owned(), is_module: kind.map(|kind| kind == ModuleKind::Module) };
        match processes.ask(&Job::new(task, specifier, shown, text))? {
            Made::Package(script) => Ok(script),
            Made::Own(_) => Err(SourceFault::new("the compiler answered another question")),
        }
    }
}

/// One text, and what is to become of it.
#[derive(Serialize, Deserialize)]
struct Job {
    task: Task,
    specifier: String,
    shown: String,
    text: Arc<str>,
}

#[derive(Serialize, Deserialize)]
enum Task {
    /// A function's own. The extension tells its language.
    Own { extension: String, options: CompilerOptions },
    /// A package's. The extension of `path` tells its language; `is_module` what its `package.json` says.
    Package { path: PathBuf, is_module: Option<bool> },
}

#[derive(Serialize, Deserialize)]
enum Made {
    Own(Script),
    Package(PackageScript),
}

impl Job {
    fn new(task: Task, specifier: &str, shown: &str, text: &Arc<str>) -> Self {
        Self { task, specifier: specifier.to_owned(), shown: shown.to_owned(), text: Arc::clone(text) }
    }

    fn run(&self) -> Result<Made, SourceFault> {
        let (specifier, shown, text) = (self.specifier.as_str(), self.shown.as_str(), &self.text);
        match &self.task {
            Task::Own { extension, options } => {
                let media_type = MediaType::from_path(Path::new(&format!("source{extension}")));
                let source =
                    Source { path: Path::new(shown), media_type, specifier, shown, text: Arc::clone(text) };
                transpile::compile(&source, options).map(Made::Own)
            }
            Task::Package { path, is_module } => {
                let kind = is_module.map(|is| if is { ModuleKind::Module } else { ModuleKind::CommonJs });
                package_script::read(path, specifier, shown, text, kind).map(Made::Package)
            }
        }
    }
}
