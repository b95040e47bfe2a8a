//! The thread that owns V8: it initialises it, loads the snapshot and starts the isolates' threads.
//!
//! There is one per process, and it never ends: V8 can be initialised once, and all isolates'
//! threads must descend from the one that did ([`crate::platform`]).

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use crate::images::{Image, Images, Platform, SnapshotError};
use crate::isolate::{self, Idle};
use crate::{V8EngineError, platform};

/// Quiet time after which freed memory of ended isolates goes back to the system.
const TRIM_INTERVAL: Duration = Duration::from_secs(1);

/// Who gets a new isolate, or why there is none. Called on the isolate's thread.
pub(crate) type Delivery = Box<dyn FnOnce(Result<Idle, String>) + Send>;

/// Takes orders for isolates.
#[derive(Clone)]
pub(crate) struct Keeper {
    orders: Sender<Order>,
}

enum Order {
    /// Loads the snapshot, or writes it, unless it is loaded already.
    Prepare {
        cache_dir: PathBuf,
        done: Sender<Result<(), SnapshotError>>,
    },
    Make {
        platform: Platform,
        memory_bytes_max: u64,
        slot: Slot,
        deliver: Delivery,
    },
    /// An isolate is gone.
    Ended,
}

/// One isolate's place among all. Dropped when its thread has nothing of it left.
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
    ended: Sender<Order>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let _ = self.ended.send(Order::Ended);
    }
}

impl Keeper {
    /// The process's keeper, with the snapshot loaded. Blocks: some milliseconds, or about a second
    /// when the snapshot must be written first.
    pub(crate) fn prepared(cache_dir: PathBuf) -> Result<Self, V8EngineError> {
        static KEEPER: OnceLock<Option<Keeper>> = OnceLock::new();
        let keeper = KEEPER.get_or_init(|| {
            let (orders, inbox) = mpsc::channel();
            let body = move || {
                platform::initialise();
                keep(&inbox);
            };
            let spawned = std::thread::Builder::new().name("v8-keeper".to_owned()).spawn(body);
            spawned.is_ok().then_some(Self { orders })
        });
        let keeper = keeper.clone().ok_or(V8EngineError::Thread)?;
        let (done, is_done) = mpsc::channel();
        let order = Order::Prepare { cache_dir, done };
        keeper.orders.send(order).map_err(|_| V8EngineError::Platform)?;
        is_done.recv().map_err(|_| V8EngineError::Platform)??;
        Ok(keeper)
    }

    /// Has an isolate made. `permit` is held until it is gone.
    pub(crate) fn make(
        &self,
        platform: Platform,
        memory_bytes_max: u64,
        permit: OwnedSemaphorePermit,
        deliver: Delivery,
    ) {
        let slot = Slot { _permit: permit, ended: self.orders.clone() };
        // The keeper never ends. Had it, dropping the order would tell who waits.
        let _ = self.orders.send(Order::Make { platform, memory_bytes_max, slot, deliver });
    }
}

fn keep(inbox: &mpsc::Receiver<Order>) {
    let mut images: Option<Images> = None;
    let mut freed = false;
    loop {
        // A timeout only while there is memory to give back; else the thread sleeps.
        let order = if freed { inbox.recv_timeout(TRIM_INTERVAL) } else { inbox.recv().map_err(Into::into) };
        match order {
            Ok(Order::Prepare { cache_dir, done }) => {
                let loaded = images.take().map_or_else(|| Images::ensure(&cache_dir), Ok);
                let _ = done.send(loaded.map(|loaded| images = Some(loaded)));
            }
            Ok(Order::Make { platform, memory_bytes_max, slot, deliver }) => {
                make(images.as_mut().map(|images| images.of(platform)), memory_bytes_max, slot, deliver)
            }
            Ok(Order::Ended) => freed = true,
            Err(RecvTimeoutError::Timeout) => {
                give_back_memory();
                freed = false;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn make(image: Option<Image>, memory_bytes_max: u64, slot: Slot, deliver: Delivery) {
    let Some(image) = image else { return deliver(Err("the snapshot is not loaded".to_owned())) };
    if let Err(error) = isolate::spawn(image, memory_bytes_max, slot, deliver) {
        tracing::error!(%error, "no thread for an isolate; raise the limit on threads or lower the load");
    }
}

/// An ended isolate leaves its share of the allocator's arenas behind, free but resident.
fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointers and may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
