//! One task per pool: retires what nobody uses, sooner where memory is short, breaks off responses whose time
//! is over while the client does not read, and gives waiters another look when a worker ended by itself.

use std::sync::{Arc, Weak};

use isobase_base::task::{self, TaskKind};
use tokio::time::{Instant, MissedTickBehavior};

use crate::lane::Lane;
use crate::pool::Host;

/// Ends with the pool.
pub(crate) fn start(host: &Arc<Host>) {
    let mut ticks = tokio::time::interval(host.config.housekeeping_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let host = Arc::downgrade(host);
    task::spawn(TaskKind::Service, "pool housekeeping", async move {
        loop {
            ticks.tick().await;
            let Some(host) = Weak::upgrade(&host) else { return };
            let now = Instant::now();
            for lane in host.lanes() {
                // A clock that began less than `idle_max` ago has no such instant.
                lane.sweep(now.checked_sub(lane.config.idle_max));
                enforce_clocks(&lane, now);
            }
            host.relieve();
        }
    });
}

/// Looks at what of one function still runs after its head, and forgets what ended.
fn enforce_clocks(lane: &Lane, now: Instant) {
    let looked_at: Vec<_> = lane.running.lock().drain(..).collect();
    let left: Vec<_> = looked_at
        .into_iter()
        .filter(|running| running.upgrade().is_some_and(|running| running.enforce(now)))
        .collect();
    lane.running.lock().extend(left);
}
