//! The thread that owns V8: it initialises it, loads the snapshot, starts the isolates' threads and
//! keeps a few isolates ready.
//!
//! See [`crate::platform`] for why all isolates' threads must descend from one.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Weak, mpsc};

use isobase_base::limits;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::isolate::{self, Idle};
use crate::{V8EngineError, platform, snapshot};

/// Asks for isolates. Cheap; the work is done on the keeper's thread and the isolates' own.
pub(crate) struct Keeper {
    orders: mpsc::Sender<Order>,
    ready: Arc<Shelf>,
    isolates: Arc<Semaphore>,
}

/// Isolates without a function, for functions with the default memory limit.
struct Shelf {
    idle: Mutex<VecDeque<Idle>>,
    wanted: usize,
}

struct Order {
    memory_bytes_max: u64,
    permit: OwnedSemaphorePermit,
    deliver: Delivery,
}

enum Delivery {
    To(oneshot::Sender<Result<Idle, String>>),
    Shelf(Weak<Shelf>),
}

impl Keeper {
    /// Blocks until V8 is up and the snapshot is there: some milliseconds, or about a second when
    /// the snapshot must be written first.
    pub(crate) fn start(cache_dir: PathBuf, prewarmed: usize) -> Result<Self, V8EngineError> {
        let (orders, inbox) = mpsc::channel();
        let (up, is_up) = mpsc::channel();
        let body = move || {
            platform::initialise();
            match snapshot::ensure(&cache_dir) {
                Ok(image) => {
                    let _ = up.send(Ok(()));
                    keep(image, &inbox);
                }
                Err(error) => {
                    let _ = up.send(Err(error));
                }
            }
        };
        std::thread::Builder::new().name("v8-keeper".to_owned()).spawn(body).map_err(V8EngineError::Thread)?;
        is_up.recv().map_err(|_| V8EngineError::Platform)??;
        let keeper = Self {
            orders,
            ready: Arc::new(Shelf { idle: Mutex::default(), wanted: prewarmed }),
            isolates: Arc::new(Semaphore::new(limits::V8_ISOLATES_MAX)),
        };
        (0..prewarmed).for_each(|_| keeper.refill());
        Ok(keeper)
    }

    /// A ready isolate, or one made now. Fails when there are too many isolates already.
    pub(crate) async fn take(&self, memory_bytes_max: u64) -> Result<Idle, TakeError> {
        if memory_bytes_max == limits::FUNCTION_MEMORY_BYTES_MAX {
            let ready = self.ready.idle.lock().pop_front();
            self.refill();
            if let Some(idle) = ready {
                return Ok(idle);
            }
        }
        let permit = self.isolates.clone().try_acquire_owned().map_err(|_| TakeError::TooMany)?;
        let (deliver, delivered) = oneshot::channel();
        let order = Order { memory_bytes_max, permit, deliver: Delivery::To(deliver) };
        self.orders.send(order).map_err(|_| TakeError::Broken("the keeper has ended".to_owned()))?;
        let idle = delivered.await.map_err(|_| TakeError::Broken("its thread has ended".to_owned()))?;
        idle.map_err(TakeError::Broken)
    }

    fn refill(&self) {
        if self.ready.idle.lock().len() >= self.ready.wanted {
            return;
        }
        let Ok(permit) = self.isolates.clone().try_acquire_owned() else { return };
        let deliver = Delivery::Shelf(Arc::downgrade(&self.ready));
        let memory_bytes_max = limits::FUNCTION_MEMORY_BYTES_MAX;
        let _ = self.orders.send(Order { memory_bytes_max, permit, deliver });
    }

    /// How many isolates wait for a function.
    pub(crate) fn ready(&self) -> usize {
        self.ready.idle.lock().len()
    }
}

/// Why there is no isolate.
pub(crate) enum TakeError {
    TooMany,
    Broken(String),
}

fn keep(snapshot: &'static [u8], inbox: &mpsc::Receiver<Order>) {
    while let Ok(Order { memory_bytes_max, permit, deliver }) = inbox.recv() {
        let ready = move |made: Result<Idle, String>| match deliver {
            Delivery::To(sender) => {
                // Whoever ordered may have gone; the isolate then ends by itself.
                let _ = sender.send(made);
            }
            Delivery::Shelf(shelf) => put(&shelf, made),
        };
        if let Err(error) = isolate::spawn(snapshot, memory_bytes_max, permit, ready) {
            tracing::error!(%error, "no thread for an isolate; raise the limit on threads or lower the load");
        }
    }
}

fn put(shelf: &Weak<Shelf>, made: Result<Idle, String>) {
    match (shelf.upgrade(), made) {
        (Some(shelf), Ok(idle)) => {
            let mut ready = shelf.idle.lock();
            if ready.len() < shelf.wanted {
                ready.push_back(idle);
            }
        }
        (_, Err(why)) => tracing::error!(why, "an isolate could not be created"),
        (None, Ok(_)) => {}
    }
}
