//! A few isolates without a function, kept ready so that starting one is loading its modules.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use isobase_base::task::{self, TaskKind};
use isobase_base::{Failure, FailureKind, limits};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use crate::descriptors;
use crate::isolate::Idle;
use crate::keeper::Keeper;

/// About the time of a first request.
const REFILL_PAUSE: Duration = Duration::from_millis(8);

/// The ready isolates of one engine, and the count of all that it has.
pub(crate) struct Shelf {
    keeper: Keeper,
    /// With the default memory limit; V8's heap limit is set when an isolate is made.
    ready: Mutex<VecDeque<Idle>>,
    wanted: usize,
    /// All that there can be at once.
    isolates_max: usize,
    isolates: Arc<Semaphore>,
}

impl Shelf {
    pub(crate) fn new(keeper: Keeper, wanted: usize) -> Arc<Self> {
        let isolates_max = descriptors::isolates_max();
        let isolates = Arc::new(Semaphore::new(isolates_max));
        let shelf = Arc::new(Self { keeper, ready: Mutex::default(), wanted, isolates_max, isolates });
        (0..wanted).for_each(|_| shelf.refill());
        shelf
    }

    /// A ready isolate, or one made now. Overloaded when there are too many already.
    pub(crate) async fn take(self: &Arc<Self>, memory_bytes_max: u64) -> Result<Idle, Failure> {
        if memory_bytes_max == limits::FUNCTION_MEMORY_BYTES_MAX {
            let ready = self.ready.lock().pop_front();
            self.refill_soon();
            if let Some(idle) = ready {
                return Ok(idle);
            }
        }
        let permit = self
            .isolates
            .clone()
            .try_acquire_owned()
            .map_err(|_| Failure::new(FailureKind::Overloaded, "all isolates of this host are in use"))?;
        let (sender, made) = oneshot::channel();
        let deliver = |idle| {
            // Whoever ordered may have gone; the isolate then ends by itself.
            let _ = sender.send(idle);
        };
        self.keeper.make(memory_bytes_max, permit, Box::new(deliver));
        let made = made.await.unwrap_or_else(|_| Err("its thread could not start".to_owned()));
        made.map_err(|why| Failure::new(FailureKind::Host, format!("no isolate could be created: {why}")))
    }

    /// Once who took the last one has had a moment: making an isolate is some milliseconds of work for
    /// the processors and the memory map that the taken one is about to run on.
    fn refill_soon(self: &Arc<Self>) {
        let shelf = Arc::downgrade(self);
        task::spawn(TaskKind::Request, "ready isolates", async move {
            tokio::time::sleep(REFILL_PAUSE).await;
            if let Some(shelf) = shelf.upgrade() {
                shelf.refill();
            }
        });
    }

    fn refill(self: &Arc<Self>) {
        if self.ready.lock().len() >= self.wanted {
            return;
        }
        let Ok(permit) = self.isolates.clone().try_acquire_owned() else { return };
        let shelf = Arc::downgrade(self);
        let deliver = move |idle| put(&shelf, idle);
        self.keeper.make(limits::FUNCTION_MEMORY_BYTES_MAX, permit, Box::new(deliver));
    }

    /// How many isolates functions can have at once: the ready ones, and those that finish what they began,
    /// have places too.
    pub(crate) fn places(&self) -> usize {
        (self.isolates_max - self.isolates_max / 16).saturating_sub(self.wanted).max(1)
    }

    /// How many isolates are ready.
    pub(crate) fn len(&self) -> usize {
        self.ready.lock().len()
    }
}

fn put(shelf: &Weak<Shelf>, made: Result<Idle, String>) {
    match (shelf.upgrade(), made) {
        (Some(shelf), Ok(idle)) => {
            let mut ready = shelf.ready.lock();
            if ready.len() < shelf.wanted {
                ready.push_back(idle);
            }
        }
        (_, Err(why)) => tracing::error!(why, "an isolate could not be created"),
        (None, Ok(_)) => {}
    }
}
