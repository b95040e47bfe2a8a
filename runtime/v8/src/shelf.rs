//! A few isolates without a function, kept ready so that starting one is loading its modules.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use isobase_base::task::{self, TaskKind};
use isobase_base::{Failure, FailureKind, limits};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use crate::descriptors;
use crate::images::Platform;
use crate::isolate::Idle;
use crate::keeper::Keeper;

/// After a boot, for its first request.
const REFILL_PAUSE: Duration = Duration::from_millis(3);
/// After an isolate was taken, however long its boot lasts.
const REFILL_LATEST: Duration = Duration::from_millis(40);

/// The ready isolates of one engine, and the count of all that it has.
pub(crate) struct Shelf {
    keeper: Keeper,
    web: Stock,
    /// Kept from the first function with packages on; a host without any does without.
    node: Stock,
    wanted: AtomicUsize,
    /// All that there can be at once.
    isolates_max: usize,
    isolates: Arc<Semaphore>,
}

/// Ready isolates of one kind, with the default memory limit: V8's heap limit is set when an isolate is made.
#[derive(Default)]
struct Stock {
    places: Mutex<Places>,
    is_kept: AtomicBool,
}

#[derive(Default)]
struct Places {
    ready: VecDeque<Idle>,
    /// Ordered and not there yet.
    coming: usize,
}

impl Shelf {
    pub(crate) fn new(keeper: Keeper, wanted: usize) -> Arc<Self> {
        let isolates_max = descriptors::isolates_max();
        let isolates = Arc::new(Semaphore::new(isolates_max));
        let (web, node) = (Stock::default(), Stock::default());
        let wanted = AtomicUsize::new(wanted);
        web.is_kept.store(true, Ordering::Relaxed);
        let shelf = Arc::new(Self { keeper, web, node, wanted, isolates_max, isolates });
        shelf.refill(Platform::Web);
        shelf
    }

    /// From now on so many of each kind are kept ready. Those that are ready stay.
    pub(crate) fn keep(&self, wanted: usize) {
        self.wanted.store(wanted, Ordering::Relaxed);
    }

    fn wanted(&self) -> usize {
        self.wanted.load(Ordering::Relaxed)
    }

    fn stock(&self, platform: Platform) -> &Stock {
        match platform {
            Platform::Web => &self.web,
            Platform::Node => &self.node,
        }
    }

    /// A ready isolate, or one made now. Overloaded when there are too many already.
    pub(crate) async fn take(
        self: &Arc<Self>,
        platform: Platform,
        memory_bytes_max: u64,
    ) -> Result<Idle, Failure> {
        let stock = self.stock(platform);
        if memory_bytes_max == limits::FUNCTION_MEMORY_BYTES_MAX {
            let ready = stock.places.lock().ready.pop_front();
            stock.is_kept.store(true, Ordering::Relaxed);
            self.refill_after(REFILL_LATEST, platform);
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
        self.keeper.make(platform, memory_bytes_max, permit, Box::new(deliver));
        let made = made.await.unwrap_or_else(|_| Err("its thread could not start".to_owned()));
        made.map_err(|why| Failure::new(FailureKind::Host, format!("no isolate could be created: {why}")))
    }

    /// Who took an isolate has booted it. Not before: making another is some milliseconds of work for the
    /// processors and the memory map that the taken one runs on.
    pub(crate) fn booted(self: &Arc<Self>, platform: Platform) {
        self.refill_after(REFILL_PAUSE, platform);
    }

    fn refill_after(self: &Arc<Self>, pause: Duration, platform: Platform) {
        let shelf = Arc::downgrade(self);
        task::spawn(TaskKind::Request, "ready isolates", async move {
            tokio::time::sleep(pause).await;
            if let Some(shelf) = shelf.upgrade() {
                shelf.refill(platform);
            }
        });
    }

    /// Orders what is missing.
    fn refill(self: &Arc<Self>, platform: Platform) {
        loop {
            let mut places = self.stock(platform).places.lock();
            if places.ready.len() + places.coming >= self.wanted() {
                return;
            }
            let Ok(permit) = self.isolates.clone().try_acquire_owned() else { return };
            places.coming += 1;
            drop(places);
            let coming = Coming { shelf: Arc::downgrade(self), platform };
            let deliver = move |idle| coming.arrive(idle);
            self.keeper.make(platform, limits::FUNCTION_MEMORY_BYTES_MAX, permit, Box::new(deliver));
        }
    }

    /// How many isolates functions can have at once: the ready ones, and those that finish what they began,
    /// have places too.
    pub(crate) fn places(&self) -> usize {
        (self.isolates_max - self.isolates_max / 16).saturating_sub(2 * self.wanted()).max(1)
    }

    /// Of the web platform and of Node's, as far as these are kept: how many isolates are ready at least.
    pub(crate) fn len(&self) -> usize {
        let kept = [&self.web, &self.node].into_iter().filter(|stock| stock.is_kept.load(Ordering::Relaxed));
        kept.map(|stock| stock.places.lock().ready.len()).min().unwrap_or(0)
    }
}

/// An ordered isolate. Dropped when it is there, or when no thread could be had for it.
struct Coming {
    shelf: Weak<Shelf>,
    platform: Platform,
}

impl Coming {
    fn arrive(self, made: Result<Idle, String>) {
        match (self.shelf.upgrade(), made) {
            (Some(shelf), Ok(idle)) => {
                shelf.stock(self.platform).places.lock().ready.push_back(idle);
            }
            (_, Err(why)) => tracing::error!(why, "an isolate could not be created"),
            (None, Ok(_)) => {}
        }
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        if let Some(shelf) = self.shelf.upgrade() {
            shelf.stock(self.platform).places.lock().coming -= 1;
        }
    }
}
