//! What deployed functions are told by whoever starts them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use deadpool_postgres::Pool;
use isobase_base::FunctionSlug;
use isobase_base::project::{FunctionTriggers, InvalidTriggers};
use isobase_engine::Limits;
use isobase_packages::Packages;
use tokio::sync::watch;

use super::Precedence;
use crate::Compiler;

/// How to serve deployed functions.
#[derive(Clone)]
pub struct ReleasesConfig {
    /// Sessions of the host's own role.
    pub sessions: Pool,
    /// Moves when `isobase_functions` was notified, and when that may have been missed. `None`: this
    /// host hears of changes by others only when it starts.
    pub wake: Option<watch::Receiver<u64>>,
    /// Uploads are unpacked and compiled here.
    pub builds_folder: PathBuf,
    /// Variables that the host gives every function. Secrets join on the way to the pool.
    pub environment: BTreeMap<String, String>,
    /// Names the project in `DENO_DEPLOYMENT_ID`.
    pub project_ref: String,
    pub limits: Limits,
    pub precedence: Precedence,
    /// Who reads the sources.
    pub compiler: Compiler,
    /// Where packages of what is deployed come from.
    pub packages: Packages,
    pub check_triggers: CheckTriggers,
}

/// Whether a function may declare these; asked before a version of it is stored.
pub type CheckTriggers = fn(&FunctionSlug, &FunctionTriggers) -> Result<(), InvalidTriggers>;
