//! Memory of one instance: growth beyond the function's limit is refused, and remembered, so that
//! the trap which usually follows is reported as what it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::ResourceLimiter;

/// Elements of one table. Large guests of managed languages have some ten thousand functions.
const TABLE_ELEMENTS_MAX: usize = 20_000;
/// Core modules, tables and memories in one component. Toolchains make three or four modules of a
/// function; composed components have more.
const CORE_INSTANCES_MAX: usize = 64;
const TABLES_MAX: usize = 16;
const MEMORIES_MAX: usize = 4;

/// Bytes of linear memory that the instances of one worker hold.
#[derive(Clone, Default)]
pub(crate) struct MemoryTotal(Arc<AtomicU64>);

impl MemoryTotal {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Bounds the linear memories of one store together.
pub(crate) struct MemoryBound {
    total: MemoryTotal,
    bytes: u64,
    bytes_max: u64,
    refused: bool,
}

impl MemoryBound {
    pub(crate) fn new(bytes_max: u64, total: MemoryTotal) -> Self {
        Self { total, bytes: 0, bytes_max, refused: false }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Whether the guest asked for more than it may have since this was last asked.
    pub(crate) fn take_refused(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }
}

impl ResourceLimiter for MemoryBound {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grown = (desired - current) as u64;
        let fits_memory = maximum.is_none_or(|maximum| desired <= maximum);
        if self.bytes + grown > self.bytes_max || !fits_memory {
            self.refused = true;
            return Ok(false);
        }
        self.bytes += grown;
        self.total.0.fetch_add(grown, Ordering::Relaxed);
        Ok(true)
    }

    /// The system has no memory left: for the guest the same as its own limit.
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        tracing::warn!(%error, "a function's memory could not grow");
        self.refused = true;
        Ok(())
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX && maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}

impl Drop for MemoryBound {
    fn drop(&mut self) {
        self.total.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{MemoryBound, MemoryTotal};
    use wasmtime::ResourceLimiter;

    #[test]
    fn growth_is_counted_over_all_memories_and_given_back() {
        let total = MemoryTotal::default();
        let mut bound = MemoryBound::new(300, total.clone());
        assert!(bound.memory_growing(0, 100, None).unwrap());
        assert!(bound.memory_growing(0, 200, None).unwrap());
        assert!(!bound.take_refused());
        assert!(!bound.memory_growing(100, 101, None).unwrap());
        assert!(bound.take_refused() && !bound.take_refused());
        assert_eq!(total.bytes(), 300);
        drop(bound);
        assert_eq!(total.bytes(), 0);
    }
}
