//! Memory of all functions together: when it is more than they may hold, workers that nobody uses go, the one
//! idle longest first. A worker with a request in flight never goes for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use isobase_engine::Retirement;
use tokio::time::Instant;

use crate::lane::Lane;
use crate::pool::Host;

impl Host {
    /// Whether workers at work alone held more than all may, when they were counted last. No further one
    /// should be started then.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        self.memory_held.load(Ordering::Relaxed) > self.config.memory_bytes_max
    }

    /// Counts, and retires idle workers until the rest fits. Called by housekeeping, and by boots that find no
    /// memory left.
    pub(crate) fn relieve(&self) {
        let lanes = self.lanes();
        let held = held(&lanes);
        let resident = (self.config.resident_bytes)().saturating_sub(self.resident_before);
        let budget = self.config.memory_bytes_max;
        let over = held.max(resident).saturating_sub(budget);
        let (retired, freed) = if over == 0 { (0, 0) } else { retire(&lanes, over) };
        self.memory_held.store(held.saturating_sub(freed), Ordering::Relaxed);
        if retired > 0 {
            tracing::info!(
                retired,
                freed,
                held,
                resident,
                budget,
                reason = Retirement::MemoryPressure.reason(),
                "functions held more memory than they may together: workers that were idle longest were retired"
            );
        }
    }
}

/// Idle workers, the one idle longest first, until `over` bytes are free. How many, and what they held.
fn retire(lanes: &[Arc<Lane>], over: u64) -> (usize, u64) {
    let idle =
        |lane: &Arc<Lane>| lane.idle().into_iter().map(|seat| (seat, lane.clone())).collect::<Vec<_>>();
    let mut idle: Vec<((Instant, u64), Arc<Lane>)> = lanes.iter().flat_map(idle).collect();
    idle.sort_by_key(|((since, _), _)| *since);
    let (mut retired, mut freed) = (0, 0);
    for ((since, bytes), lane) in idle {
        if freed >= over {
            break;
        }
        lane.retire_idle(since, Retirement::MemoryPressure);
        retired += 1;
        freed += bytes;
    }
    (retired, freed)
}

fn held(lanes: &[Arc<Lane>]) -> u64 {
    lanes.iter().map(|lane| lane.memory_bytes()).sum()
}
