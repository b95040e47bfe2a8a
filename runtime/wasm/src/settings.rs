//! How wasmtime is set up. Everything here is part of the key of compiled code on disk.

use isobase_base::limits;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Core instances of one component: the guest's own module and the small ones that a toolchain
/// puts round it.
const CORE_INSTANCES_PER_COMPONENT: u32 = 8;
/// Address space of one linear memory. All of what 32 bits can address, so that compiled code needs
/// no bounds checks.
const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
/// After a request, up to so much of what an instance wrote to is set back in place; beyond it
/// pages are given back to the kernel, which costs a fault each on the next use.
const KEEP_RESIDENT_BYTES: usize = 2 << 20;
/// Stack of host calls made from a guest, and of the guest itself.
const FIBER_STACK_BYTES: usize = 1 << 20;
/// The guest's part of it.
const GUEST_STACK_BYTES: usize = 512 << 10;
/// Stack frames shown of a guest that trapped.
const BACKTRACE_FRAMES_MAX: usize = 10;

/// The configuration of the one engine. `pooled` is false only where the address space is too
/// small for the pool.
pub(crate) fn config(pooled: bool) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .memory_init_cow(true)
        .memory_reservation(MEMORY_RESERVATION_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .wasm_component_model(true)
        // Guests speak WASI 0.2: stores need no tables for concurrent calls into one instance.
        .concurrency_support(false)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(BACKTRACE_FRAMES_MAX));
    if pooled {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    }
    config
}

fn pool() -> PoolingAllocationConfig {
    let instances = limits::WASM_INSTANCES_MAX;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_stacks(instances)
        .total_memories(instances)
        .total_core_instances(instances * CORE_INSTANCES_PER_COMPONENT)
        .total_tables(instances * CORE_INSTANCES_PER_COMPONENT / 2)
        .max_memory_size(usize::try_from(limits::WASM_MEMORY_BYTES_MAX).unwrap_or(usize::MAX))
        .max_unused_warm_slots(limits::WASM_WARM_SLOTS_MAX)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}
