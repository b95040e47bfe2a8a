//! The bounds of the pool. Limits of single functions travel with the function.

use std::time::Duration;

use isobase_base::limits;

use crate::machine;

/// How many workers, how long a wait. Defaults are in [`isobase_base::limits`].
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Workers of one function at once, those that boot included. Default: the processor's cores.
    pub workers_per_function_max: usize,
    /// Where requests wait longer than this inside of the workers of a function, it gets another worker.
    pub scale_delay: Duration,
    /// Workers over all functions at once, those that finish old requests included.
    pub workers_total_max: usize,
    /// What the workers of all functions may hold together, in bytes. Default: a share of the machine's memory.
    pub memory_bytes_max: u64,
    /// What the process holds in memory now, in bytes: workers do not see all that they cost. What it held before
    /// it had workers is left out.
    pub resident_bytes: fn() -> u64,
    /// Requests that wait for a worker of one function; the next is refused.
    pub waiters_per_function_max: usize,
    /// Wait for a place in a worker.
    pub queue_timeout: Duration,
    /// Boot of one worker.
    pub boot_timeout: Duration,
    /// A boot that failed by the host's fault or by time is tried again after this; one that
    /// failed in the function's code only after the next publication.
    pub boot_retry_after: Duration,
    /// A worker without a request is retired after this.
    pub idle_max: Duration,
    /// How often idle workers and stalled responses are looked for.
    pub housekeeping_interval: Duration,
}

impl PoolConfig {
    /// The same for a function that a person may pause: one worker, which stays, and waits without an end
    /// in sight.
    pub(crate) fn of_paused(&self) -> Self {
        let clock = limits::INSPECTED_CLOCK;
        Self {
            workers_per_function_max: 1,
            queue_timeout: clock,
            boot_timeout: clock,
            idle_max: clock,
            ..self.clone()
        }
    }
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            workers_per_function_max: std::thread::available_parallelism().map_or(1, usize::from),
            scale_delay: limits::POOL_SCALE_DELAY,
            workers_total_max: limits::POOL_WORKERS_MAX,
            memory_bytes_max: machine::memory_bytes()
                .map_or(u64::MAX, |all| all / 100 * limits::FUNCTIONS_MEMORY_PERCENT),
            resident_bytes: machine::resident_bytes,
            waiters_per_function_max: limits::FUNCTION_WAITERS_MAX,
            queue_timeout: limits::FUNCTION_QUEUE_TIMEOUT,
            boot_timeout: limits::FUNCTION_BOOT_TIMEOUT,
            boot_retry_after: limits::POOL_BOOT_RETRY_AFTER,
            idle_max: limits::WORKER_IDLE_MAX,
            housekeeping_interval: Duration::from_secs(1),
        }
    }
}
