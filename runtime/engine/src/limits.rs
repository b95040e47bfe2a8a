//! The bounds of one function. Engines enforce memory and CPU, which only they can see; the pool
//! enforces the clocks and the concurrency, which are the same for all engines.

use std::time::Duration;

use isobase_base::limits;

/// Wall clock, CPU and the wait for the first byte are three clocks. Time spent in the host on the
/// guest's behalf (a query, a fetch) counts against wall clock and idle, not against CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Heap, buffers and linear memory of one worker. Ends in 546.
    pub memory_bytes_max: u64,
    /// CPU time of one invocation. Ends in 546.
    pub cpu_max: Duration,
    /// From the invocation's start to the last byte of its response. Before the head of the
    /// response it ends in 546, afterwards the body breaks off.
    pub wall_clock_max: Duration,
    /// From the invocation's start to the head of its response. Ends in 504.
    pub idle_timeout: Duration,
    /// Invocations at once in one worker.
    pub concurrency_max: usize,
}

impl Limits {
    /// The same for a function that a person may pause: memory stays bounded, no clock runs out while
    /// somebody looks.
    #[must_use]
    pub fn without_clocks(self) -> Self {
        let clock = limits::INSPECTED_CLOCK;
        Self { cpu_max: clock, wall_clock_max: clock, idle_timeout: clock, ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: limits::FUNCTION_MEMORY_BYTES_MAX,
            cpu_max: limits::FUNCTION_CPU_MAX,
            wall_clock_max: limits::FUNCTION_WALL_CLOCK_MAX,
            idle_timeout: limits::FUNCTION_IDLE_TIMEOUT,
            concurrency_max: limits::FUNCTION_CONCURRENCY_MAX,
        }
    }
}
