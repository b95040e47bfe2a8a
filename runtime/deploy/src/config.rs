//! What source mode is told by whoever starts it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use isobase_base::project::{Project, state_folder};
use isobase_engine::Limits;
use isobase_packages::Packages;

use crate::Compiler;

/// How to serve a project's functions from their sources.
#[derive(Clone)]
pub struct SourcesConfig {
    pub project: Project,
    /// Where functions are: `supabase/functions` of the project.
    pub functions_folder: PathBuf,
    /// Variables that the host gives every function, such as `SUPABASE_URL`. They win over the
    /// project's own.
    pub environment: BTreeMap<String, String>,
    /// `--no-verify-jwt`: demand no token, whatever the settings say.
    pub no_verify_jwt: bool,
    /// `--env-file`: read instead of `functions/.env`.
    pub env_file: Option<PathBuf>,
    /// Limits of functions that set none themselves.
    pub limits: Limits,
    pub wasm_build: WasmBuild,
    /// Who reads the sources.
    pub compiler: Compiler,
    /// Where packages come from; without it, importing one is a fault.
    pub packages: Option<Packages>,
    /// Which versions were chosen, by function: a save must not choose anew.
    pub locks_folder: PathBuf,
    /// Whether to watch for changes.
    pub watch: bool,
    /// After a change, wait this long for more: editors save in several steps.
    pub debounce: Duration,
}

/// How Rust crates among the functions are built.
#[derive(Clone, Debug)]
pub struct WasmBuild {
    /// The `cargo` to run; looked up in `PATH` when it has no folder.
    pub cargo: PathBuf,
    /// cargo's target folder for all of them.
    pub target_folder: PathBuf,
}

impl SourcesConfig {
    /// The usual way to serve `project`, watching it.
    pub fn new(project: Project) -> Self {
        Self {
            functions_folder: project.functions_folder(),
            environment: BTreeMap::new(),
            no_verify_jwt: false,
            env_file: None,
            limits: Limits::default(),
            wasm_build: WasmBuild {
                cargo: "cargo".into(),
                target_folder: state_folder(&project.root).join("wasm-target"),
            },
            compiler: Compiler::here(),
            packages: None,
            locks_folder: state_folder(&project.root).join("packages"),
            watch: true,
            debounce: Duration::from_millis(20),
            project,
        }
    }
}

/// Why source mode could not start. Faults of single functions are published, not returned.
#[derive(Debug, thiserror::Error)]
pub enum SourcesError {
    #[error(
        "cannot watch for changes: {0}; on Linux, raise fs.inotify.max_user_watches or max_user_instances"
    )]
    Watch(#[source] notify::Error),
    #[error(transparent)]
    Project(#[from] isobase_base::project::ProjectError),
}
