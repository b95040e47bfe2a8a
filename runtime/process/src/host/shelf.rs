//! A process without a function, kept ready once there is a function that wants one: it has started V8, made an
//! isolate and closed its sandbox, which is most of the time that a start takes.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use isobase_base::Failure;
use isobase_base::limits::PROCESSES_READY;
use isobase_base::task::{self, TaskKind};
use isobase_http::Network;
use parking_lot::Mutex;

use super::process::{Keeper, Prepared};

pub(super) struct Shelf {
    keeper: Keeper,
    network: Network,
    cache_dir: PathBuf,
    ready: Mutex<VecDeque<Prepared>>,
    coming: AtomicUsize,
}

impl Shelf {
    pub(super) fn new(keeper: Keeper, network: Network, cache_dir: PathBuf) -> Arc<Self> {
        Arc::new(Self { keeper, network, cache_dir, ready: Mutex::default(), coming: AtomicUsize::default() })
    }

    /// A ready process, or one started now.
    pub(super) async fn take(self: &Arc<Self>) -> Result<Prepared, Failure> {
        let ready = self.take_ready();
        let taken = match ready {
            Some(prepared) => Ok(prepared),
            None => Prepared::start(&self.keeper, &self.network, &self.cache_dir).await,
        };
        if taken.is_ok() {
            self.refill();
        }
        taken
    }

    /// One that has not ended while it waited.
    fn take_ready(&self) -> Option<Prepared> {
        let mut ready = self.ready.lock();
        ready.retain(|prepared| prepared.process.end().borrow().is_none());
        ready.pop_front()
    }

    fn refill(self: &Arc<Self>) {
        let missing = PROCESSES_READY.saturating_sub(self.ready.lock().len());
        let coming = self.coming.fetch_max(missing, Ordering::AcqRel);
        if missing == 0 || coming >= missing {
            return;
        }
        let shelf = Arc::downgrade(self);
        let (keeper, network, cache_dir) =
            (self.keeper.clone(), self.network.clone(), self.cache_dir.clone());
        task::spawn(TaskKind::Request, "ready processes", async move {
            for _ in coming..missing {
                let started = Prepared::start(&keeper, &network, &cache_dir).await;
                let Some(shelf) = shelf.upgrade() else { return };
                match started {
                    Ok(prepared) => shelf.ready.lock().push_back(prepared),
                    Err(failure) => tracing::warn!(why = failure.detail, "no process could be kept ready"),
                }
            }
            if let Some(shelf) = shelf.upgrade() {
                shelf.coming.store(0, Ordering::Release);
            }
        });
    }
}
