//! What one invocation has used. Only engines can see it; the pool writes it down when the invocation
//! ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A slip that the pool puts into a request's extensions and the engine fills in as it goes. Clones are
/// the same slip. A request without one is served all the same.
#[derive(Clone, Default)]
pub struct Usage(Arc<Cells>);

#[derive(Default)]
struct Cells {
    cpu_nanos: AtomicU64,
    memory_bytes: AtomicU64,
}

impl Usage {
    /// CPU time so far. Must be current when the head and when the end of the response leave the engine.
    pub fn set_cpu(&self, used: Duration) {
        self.0.cpu_nanos.store(u64::try_from(used.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What the worker, or the instance that serves this invocation alone, holds.
    pub fn set_memory(&self, bytes: u64) {
        self.0.memory_bytes.store(bytes, Ordering::Relaxed);
    }

    pub fn cpu(&self) -> Duration {
        Duration::from_nanos(self.0.cpu_nanos.load(Ordering::Relaxed))
    }

    pub fn memory_bytes(&self) -> u64 {
        self.0.memory_bytes.load(Ordering::Relaxed)
    }
}
