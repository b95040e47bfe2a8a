//! The running source mode: one task that takes changes and hands them to the workshop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use isobase_base::FunctionSlug;
use isobase_base::limits::{SOURCE_CHANGES_MAX, SOURCE_RETRY};
use isobase_base::task::{self, TaskKind};
use isobase_engine::Publish;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::rust_crate::CrateBuilds;
use crate::watcher::{Change, Watcher};
use crate::workshop::Workshop;
use crate::{SourcesConfig, SourcesError};

/// Serves a project's functions from their sources until dropped. What was published stays.
pub struct Sources {
    task: JoinHandle<()>,
    status: Arc<Mutex<Vec<SourceStatus>>>,
}

/// One function as last published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceStatus {
    pub slug: FunctionSlug,
    pub version: u64,
    /// Why it does not build, if it does not.
    pub broken: Option<String>,
}

impl Sources {
    /// Builds all functions and publishes them, broken ones as their failure, then watches. Rust
    /// crates are built afterwards, in the background. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the system gives no watcher, or `functions/.env` is malformed. Faults of functions are
    /// published, not returned.
    pub async fn open(config: SourcesConfig, publish: Arc<dyn Publish>) -> Result<Self, SourcesError> {
        let (report, changes) = mpsc::channel(SOURCE_CHANGES_MAX);
        let overflowed = Arc::new(AtomicBool::new(false));
        let watcher = if config.watch {
            Some(Watcher::start(report.clone(), Arc::clone(&overflowed)).map_err(SourcesError::Watch)?)
        } else {
            None
        };
        let crates =
            CrateBuilds { config: config.wasm_build.clone(), report, turn: Arc::new(Semaphore::new(1)) };
        let status = Arc::new(Mutex::default());
        let debounce = config.debounce;
        let mut workshop = Workshop::new(config, publish, crates, watcher, Arc::clone(&status))?;
        let workshop = blocking(move || {
            workshop.open();
            workshop
        })
        .await;
        let task = task::spawn(TaskKind::Service, "sources", run(workshop, changes, overflowed, debounce));
        Ok(Self { task, status })
    }

    /// The functions as last published, by slug.
    pub fn status(&self) -> Vec<SourceStatus> {
        self.status.lock().clone()
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    mut workshop: Workshop,
    mut changes: mpsc::Receiver<Change>,
    overflowed: Arc<AtomicBool>,
    debounce: Duration,
) {
    loop {
        let patience = if workshop.may_recover() { SOURCE_RETRY } else { Duration::MAX };
        let first = match tokio::time::timeout(patience, changes.recv()).await {
            Ok(Some(first)) => first,
            Ok(None) => return,
            Err(_) => {
                workshop = blocking(move || {
                    workshop.try_again();
                    workshop
                })
                .await;
                continue;
            }
        };
        let mut batch = vec![first];
        // A fixed time, not one that each event extends: a busy folder must not starve a save.
        let until = tokio::time::Instant::now() + debounce;
        while let Ok(Some(change)) = tokio::time::timeout_at(until, changes.recv()).await {
            batch.push(change);
        }
        let everything = overflowed.swap(false, Ordering::AcqRel);
        workshop = blocking(move || {
            workshop.apply(batch, everything);
            workshop
        })
        .await;
    }
}

/// Runs `work` where it may block. A panic in it goes on in the caller.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down; this task is about to end as well.
            Err(_) => std::future::pending().await,
        },
    }
}
