//! The project directory: `supabase/config.toml`, dotenv files, well-known names.
//!
//! An unmodified Supabase project is read as it is. [`Project::load`] takes the folder that holds
//! `supabase/` and the variables of the process, and gives typed [`Settings`]. What it does not
//! know it warns about and goes on; what it knows and finds wrong it refuses, naming file, line,
//! key and what was expected.
//!
//! Where a value comes from, first hit wins:
//! 1. the variable `SUPABASE_<SECTION>_<KEY>`, from the process or a dotenv file;
//! 2. `supabase/config.toml`, where `env(NAME)` stands for a variable;
//! 3. the default, which equals the Supabase CLI's.
//!
//! `[remotes.*]` concern hosted projects and do not apply to a local one.
//!
//! ```
//! use isobase_base::project::Project;
//!
//! let folder = std::env::temp_dir().join("isobase-doc-project");
//! std::fs::create_dir_all(folder.join("supabase")).unwrap();
//! std::fs::write(folder.join("supabase/config.toml"), "[api]\nport = 8000\n").unwrap();
//! let project = Project::load(&folder, &Default::default()).unwrap();
//! assert_eq!(project.settings.api.port, 8000);
//! assert_eq!(project.settings.database.port, 54322);
//! ```

mod dotenv;
mod fault;
mod quantity;
mod queue;
mod reading;
mod schedule;
mod section;
mod settings;
mod triggers;
mod variables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use dotenv::{DotenvError, parse_dotenv};
pub use fault::{Fault, ProjectError, Warning};
pub use quantity::bytes;
pub use settings::{
    Api, Auth, BucketSettings, DatabaseSettings, EdgeRuntime, FunctionLimits, FunctionSchedule,
    FunctionSettings, Migrations, Misfire, Overlap, QueueSettings, Seed, Settings, StorageSettings,
    WebhookEncoding, WebhookMode, WebhookProvider, WebhookSettings, WorkerPolicy,
};
pub use triggers::{FunctionTriggers, InvalidTriggers, LiveTriggers};
pub use variables::{Variables, process_variables};

/// The folder beneath the project's root that Supabase's tools use.
pub const SUPABASE_FOLDER: &str = "supabase";
/// The settings file inside [`SUPABASE_FOLDER`].
pub const CONFIG_FILE: &str = "config.toml";

/// The folder for everything that the host makes and can make again, the local database included.
pub fn state_folder(workdir: &Path) -> PathBuf {
    workdir.join(".isobase")
}

/// A project as found on disk. Immutable; an edit of its files makes another ([`Project::reload`]).
#[derive(Clone, Debug)]
pub struct Project {
    /// Holds `supabase/`. Absolute, links resolved.
    pub root: PathBuf,
    pub settings: Settings,
    /// Unknown keys, unset variables: to be shown, never fatal.
    pub warnings: Vec<Warning>,
    /// Keys of Supabase's that the file sets and this version does not act on.
    pub unused_keys: Vec<String>,
    process: Variables,
}

impl Project {
    /// Reads `<root>/supabase/config.toml` and the dotenv files. `process` are the variables of
    /// the process ([`process_variables`]); they win over dotenv files.
    ///
    /// # Errors
    /// When there is no such file, it is not TOML, a known key has a bad value, or a dotenv file
    /// cannot be parsed. All bad values are told at once.
    pub fn load(root: &Path, process: &Variables) -> Result<Self, ProjectError> {
        let not_found = || ProjectError::NotFound { path: root.join(SUPABASE_FOLDER).join(CONFIG_FILE) };
        // Real and absolute once, so that everything below can compare paths by name.
        let root = std::fs::canonicalize(root).map_err(|_| not_found())?;
        let folder = root.join(SUPABASE_FOLDER);
        let variables = variables::with_dotenv_files(&folder, &root, process)?;
        let config = folder.join(CONFIG_FILE);
        let text = std::fs::read_to_string(&config).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => not_found(),
            _ => ProjectError::Unreadable { path: config.clone(), error },
        })?;
        let default_id = root.file_name().map_or("project".into(), |name| name.to_string_lossy());
        let shown = format!("{SUPABASE_FOLDER}/{CONFIG_FILE}");
        let read = reading::read(&text, &shown, &folder, &default_id, &variables)?;
        Ok(Self {
            root,
            settings: read.settings,
            warnings: read.warnings,
            unused_keys: read.unused_keys,
            process: process.clone(),
        })
    }

    /// Reads the same folder again with the same variables of the process.
    pub fn reload(&self) -> Result<Self, ProjectError> {
        Self::load(&self.root, &self.process)
    }

    /// `<root>/supabase`.
    pub fn supabase_folder(&self) -> PathBuf {
        self.root.join(SUPABASE_FOLDER)
    }

    /// `<root>/supabase/functions`, whether or not it exists.
    pub fn functions_folder(&self) -> PathBuf {
        self.supabase_folder().join("functions")
    }

    /// `<root>/supabase/functions/.env`, whether or not it exists.
    pub fn functions_dotenv(&self) -> PathBuf {
        self.functions_folder().join(".env")
    }

    /// Every file whose change may change the settings, existing or not: what a watcher watches.
    pub fn files(&self) -> Vec<PathBuf> {
        let folder = self.supabase_folder();
        let mut files = vec![folder.join(CONFIG_FILE), self.functions_dotenv()];
        files.extend(variables::dotenv_files(&folder, &self.root, &self.process));
        files
    }

    /// What every user function sees besides the names the host adds: `[edge_runtime.secrets]`,
    /// then `functions/.env`, which wins. Names that start with `SUPABASE_` are the host's and
    /// are left out, as the Supabase CLI does.
    pub fn functions_environment(&self) -> Result<BTreeMap<String, String>, ProjectError> {
        Ok(self.with_secrets(variables::read_dotenv_file(&self.functions_dotenv())?))
    }

    /// The same with the dotenv file `path` instead of `functions/.env`. It must exist.
    pub fn functions_environment_from(&self, path: &Path) -> Result<BTreeMap<String, String>, ProjectError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ProjectError::Unreadable { path: path.to_path_buf(), error })?;
        let variables =
            parse_dotenv(&text).map_err(|error| ProjectError::Dotenv { path: path.to_path_buf(), error })?;
        Ok(self.with_secrets(variables))
    }

    fn with_secrets(&self, variables: Variables) -> BTreeMap<String, String> {
        let mut environment = self.settings.edge_runtime.secrets.clone();
        environment.extend(variables);
        environment.retain(|name, _| !name.starts_with("SUPABASE_"));
        environment
    }

    /// The secret that `[functions.<slug>.webhook]` names: the text itself, or the variable behind
    /// `env(NAME)`, which is looked for where the function would find it, then among the process's
    /// variables and the project's dotenv files. `None` where it is empty or not set.
    pub fn webhook_secret(&self, webhook: &WebhookSettings) -> Result<Option<String>, ProjectError> {
        let secret = match section::variable_named_by(&webhook.secret) {
            None => Some(webhook.secret.clone()),
            Some(name) => match self.functions_environment()?.remove(name) {
                Some(secret) => Some(secret),
                None => {
                    let folder = self.supabase_folder();
                    variables::with_dotenv_files(&folder, &self.root, &self.process)?.remove(name)
                }
            },
        };
        Ok(secret.filter(|secret| !secret.trim().is_empty()))
    }

    /// The settings of one function; the defaults where the file says nothing.
    pub fn function(&self, slug: &str) -> FunctionSettings {
        self.settings.functions.get(slug).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
