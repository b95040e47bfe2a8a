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

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deno_ast::MediaType;
use isobase_packages::ModuleKind;
use serde::{Deserialize, Serialize};

use crate::compile::crashed;
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
        processes.ask(&Job::new(source, Task::Own(options.clone())))
    }

    /// `kind` is what the package's `package.json` says of `.js` files.
    pub(crate) fn package(
        &self,
        source: &Source<'_>,
        kind: Option<ModuleKind>,
    ) -> Result<PackageScript, SourceFault> {
        let Some(processes) = &self.processes else { return package_script::read(source, kind) };
        let is_module = kind.map(|kind| kind == ModuleKind::Module);
        processes.ask(&Job::new(source, Task::Package { is_module }))
    }
}

/// One text, and what is to become of it.
#[derive(Serialize, Deserialize)]
struct Job {
    /// Tells the language.
    extension: String,
    specifier: String,
    shown: String,
    text: Arc<str>,
    task: Task,
}

/// What is answered differs: the encoded result, as `Result<Script, _>` or `Result<PackageScript, _>`.
#[derive(Serialize, Deserialize)]
enum Task {
    /// A function's own.
    Own(CompilerOptions),
    Package {
        is_module: Option<bool>,
    },
}

impl Job {
    fn new(source: &Source<'_>, task: Task) -> Self {
        let Source { specifier, shown, text, .. } = source;
        Self {
            extension: source.media_type.as_ts_extension().to_owned(),
            specifier: (*specifier).to_owned(),
            shown: (*shown).to_owned(),
            text: Arc::clone(text),
            task,
        }
    }

    /// The answer, as it is sent.
    fn run(&self) -> io::Result<Vec<u8>> {
        let media_type = MediaType::from_path(Path::new(&format!("source{}", self.extension)));
        let Self { specifier, shown, text, .. } = self;
        let path = Path::new(shown);
        let source = Source { path, media_type, specifier, shown, text: Arc::clone(text) };
        match &self.task {
            Task::Own(options) => wire::encode(&caught(|| transpile::compile(&source, options))),
            Task::Package { is_module } => {
                let kind = is_module.map(|is| if is { ModuleKind::Module } else { ModuleKind::CommonJs });
                wire::encode(&caught(|| package_script::read(&source, kind)))
            }
        }
    }
}

/// A parser's panic fails the text alone.
fn caught<T>(work: impl FnOnce() -> Result<T, SourceFault>) -> Result<T, SourceFault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(crashed(&*panic)))
}
