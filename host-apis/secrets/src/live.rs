//! Secrets as the host knows them now: read again whenever the table says that it changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use isobase_base::limits::{SECRETS_RETRY_MAX, SECRETS_RETRY_MIN};
use isobase_base::task::{self, TaskKind};
use isobase_base::{Environments, FunctionSlug};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{SecretStore, SecretsError};

/// Follows the table until dropped.
pub struct LiveSecrets {
    environments: watch::Receiver<Arc<Environments>>,
    task: JoinHandle<()>,
}

impl LiveSecrets {
    /// Reads all secrets and follows them from then on. `changed` moves with every `NOTIFY` on
    /// [`crate::CHANNEL`] and whenever some may have been missed. Must be called inside a tokio
    /// runtime.
    pub async fn follow(store: SecretStore, mut changed: watch::Receiver<u64>) -> Result<Self, SecretsError> {
        // What changes while they are read is read again.
        changed.mark_unchanged();
        let (publish, environments) = watch::channel(Arc::new(store.environments().await?));
        let task = task::spawn(TaskKind::Service, "secrets", run(store, changed, publish));
        Ok(Self { environments, task })
    }

    /// What `slug` sees now.
    pub fn environment(&self, slug: &FunctionSlug) -> BTreeMap<String, String> {
        self.environments.borrow().of(slug)
    }

    /// What all functions see, now and whenever it changes.
    pub fn environments(&self) -> watch::Receiver<Arc<Environments>> {
        self.environments.clone()
    }
}

impl Drop for LiveSecrets {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    store: SecretStore,
    mut changed: watch::Receiver<u64>,
    publish: watch::Sender<Arc<Environments>>,
) {
    while changed.changed().await.is_ok() {
        let environments = read(&store).await;
        publish.send_if_modified(|known| {
            let is_new = **known != environments;
            if is_new {
                *known = Arc::new(environments);
            }
            is_new
        });
    }
}

/// Functions keep the secrets they have until the database answers.
async fn read(store: &SecretStore) -> Environments {
    let mut pause = SECRETS_RETRY_MIN;
    loop {
        match store.environments().await {
            Ok(environments) => return environments,
            Err(error) => tracing::warn!(%error, "secrets changed and could not be read; trying again"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(SECRETS_RETRY_MAX);
    }
}
