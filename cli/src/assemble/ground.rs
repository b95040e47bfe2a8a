//! What everything else stands on: Postgres, the sessions with it, and what keeps things in it.

use std::sync::Arc;

use anyhow::Context as _;
use isobase_base::observe::Observer;
use isobase_base::progress::SharedProgress;
use isobase_base::project::{Project, state_folder};
use isobase_database::{Database, DatabaseConfig};
use isobase_logs::{FunctionLogs, LogsConfig};
use isobase_postgres::{Cluster, OwnSessions, own_sessions};
use isobase_secrets::{LiveSecrets, RootKeySources, SecretStore};
use isobase_storage::{Storage, StorageConfig};

use super::store::Store;
use crate::BadConfig;
use crate::args::StartArguments;
use crate::keys::ProjectKeys;

pub(super) struct Ground {
    pub(super) store: Store,
    pub(super) database: Database,
    pub(super) own_sessions: OwnSessions,
    pub(super) storage: Option<Storage>,
    pub(super) secret_store: SecretStore,
    pub(super) secrets: LiveSecrets,
    logs: Arc<FunctionLogs>,
}

impl Ground {
    pub(super) async fn open(
        arguments: &StartArguments,
        project: &Project,
        keys: &ProjectKeys,
        progress: &SharedProgress,
        observer: &Observer,
    ) -> anyhow::Result<Self> {
        let store = Store::open(arguments, project, keys, progress, observer).await?;
        progress.step("Opening the database");
        let mut login =
            DatabaseConfig::from_url(&store.authenticator_url)?.callers_from_url(&store.caller_url)?;
        login.spill_folder = state_folder(&project.root).join("spill");
        let database = Database::open(login, observer.clone()).await?;
        let own_sessions = own_sessions(store.host_url())?;
        let storage = open_storage(arguments, project, &database, &own_sessions, keys).await?;
        let secret_store = open_secrets(project, &own_sessions).await?;
        let changed =
            database.subscribe(isobase_secrets::CHANNEL).context("too many channels are listened to")?;
        let secrets = LiveSecrets::follow(secret_store.clone(), changed).await?;
        let logs = LogsConfig { days_kept: arguments.function_log_days };
        let logs = FunctionLogs::start(own_sessions.clone(), logs, observer.clone());
        observer.keep_journal(logs.clone());
        Ok(Self { store, database, own_sessions, storage, secret_store, secrets, logs })
    }

    /// Ends all sessions; the cluster, if it is ours, is left to be stopped.
    pub(super) async fn close(self) -> Option<Arc<Cluster>> {
        drop(self.secrets);
        if let Some(storage) = self.storage {
            storage.close();
        }
        self.logs.stop().await;
        self.database.close().await;
        self.own_sessions.close();
        self.store.cluster
    }
}

/// Secrets under the key of this project.
async fn open_secrets(project: &Project, own_sessions: &OwnSessions) -> anyhow::Result<SecretStore> {
    let variable = std::env::var("ISOBASE_ROOT_KEY").ok().filter(|key| !key.is_empty());
    let sources = RootKeySources {
        variable: variable.map(Into::into),
        setting: project.settings.database.root_key.clone(),
        state_folder: state_folder(&project.root),
    };
    let key = sources.find_or_make().context(BadConfig)?;
    Ok(SecretStore::open(own_sessions.clone(), &key).await?)
}

/// `None` where the project turns it off.
async fn open_storage(
    arguments: &StartArguments,
    project: &Project,
    database: &Database,
    own_sessions: &OwnSessions,
    keys: &ProjectKeys,
) -> anyhow::Result<Option<Storage>> {
    if !project.settings.storage.enabled {
        return Ok(None);
    }
    let config = StorageConfig {
        folder: arguments.blob.clone().unwrap_or_else(|| state_folder(&project.root).join("storage")),
        database: database.clone(),
        own_sessions: own_sessions.clone(),
        settings: project.settings.storage.clone(),
        jwt_secret: keys.jwt_secret.clone(),
    };
    Ok(Some(Storage::open(config).await?))
}
