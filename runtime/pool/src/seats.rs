//! The booted workers of one function and who sits where. Plain data: the lane locks it.

use std::sync::Arc;

use isobase_engine::{FunctionVersion, Limits, Retirement, Worker};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// A booted worker. Lives until its last invocation has ended, and with it its share of the
/// pool's total.
pub(crate) struct Booted {
    pub(crate) worker: Arc<dyn Worker>,
    pub(crate) version: FunctionVersion,
    pub(crate) limits: Limits,
    pub(crate) _room: OwnedSemaphorePermit,
}

/// A worker that still takes requests.
struct Seat {
    booted: Arc<Booted>,
    in_flight: usize,
    /// Since when `in_flight` is zero; meaningless otherwise.
    idle_since: Instant,
}

/// A worker that was taken out of service, and why.
pub(crate) type Leaving = (Arc<Booted>, Retirement);

#[derive(Default)]
pub(crate) struct Seats {
    seats: Vec<Seat>,
}

impl Seats {
    pub(crate) fn len(&self) -> usize {
        self.seats.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    pub(crate) fn add(&mut self, booted: Arc<Booted>) {
        self.seats.push(Seat { booted, in_flight: 0, idle_since: Instant::now() });
    }

    /// A place in the least loaded worker that is well and has one; workers that report their
    /// retirement are moved to `leaving`.
    pub(crate) fn take(&mut self, leaving: &mut Vec<Leaving>) -> Option<Arc<Booted>> {
        let mut best: Option<usize> = None;
        let mut index = 0;
        while index < self.seats.len() {
            let seat = &self.seats[index];
            if let Some(reason) = seat.booted.worker.retirement() {
                // `best` is before `index` and stays where it is: removal shifts only what follows.
                leaving.push((self.seats.remove(index).booted, reason));
                continue;
            }
            let lighter = best.is_none_or(|best| seat.in_flight < self.seats[best].in_flight);
            if seat.in_flight < seat.booted.limits.concurrency_max && lighter {
                best = Some(index);
            }
            index += 1;
        }
        let seat = &mut self.seats[best?];
        seat.in_flight += 1;
        Some(Arc::clone(&seat.booted))
    }

    /// Gives a place back. Nothing happens when the worker has left in the meantime.
    pub(crate) fn give_back(&mut self, booted: &Arc<Booted>, now: Instant, leaving: &mut Vec<Leaving>) {
        let Some(index) = self.seats.iter().position(|seat| Arc::ptr_eq(&seat.booted, booted)) else {
            return;
        };
        let seat = &mut self.seats[index];
        seat.in_flight -= 1;
        seat.idle_since = now;
        if let Some(reason) = seat.booted.worker.retirement() {
            leaving.push((self.seats.remove(index).booted, reason));
        }
    }

    /// Everyone out.
    pub(crate) fn leave(&mut self, reason: Retirement, leaving: &mut Vec<Leaving>) {
        leaving.extend(self.seats.drain(..).map(|seat| (seat.booted, reason)));
    }

    /// Takes out workers that are idle since before `before`, for `reason`, and those that report retirement.
    pub(crate) fn sweep(&mut self, before: Option<Instant>, reason: Retirement, leaving: &mut Vec<Leaving>) {
        self.seats.retain(|seat| {
            let stale = seat.in_flight == 0 && before.is_some_and(|before| seat.idle_since <= before);
            let idle = stale.then_some(reason);
            match seat.booted.worker.retirement().or(idle) {
                Some(reason) => {
                    leaving.push((Arc::clone(&seat.booted), reason));
                    false
                }
                None => true,
            }
        });
    }

    /// Workers that nobody uses: since when, and the memory each holds.
    pub(crate) fn idle(&self) -> impl Iterator<Item = (Instant, u64)> {
        let idle = self.seats.iter().filter(|seat| seat.in_flight == 0);
        idle.map(|seat| (seat.idle_since, seat.booted.worker.memory_bytes()))
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.seats.iter().map(|seat| seat.booted.worker.memory_bytes()).sum()
    }
}
