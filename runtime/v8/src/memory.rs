//! Memory of one isolate: V8's heap and the buffers outside of it, under one limit.
//!
//! V8 calls back shortly before its heap limit; left alone it would abort the process. The callback
//! grants headroom, so that V8 gets as far as its next safe point, and terminates the script there.
//! Buffers come from an allocator that counts them and refuses what is over the limit.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use deno_core::v8;
use isobase_base::limits;

use crate::ender::Ender;

/// CPU time that a script may use after an allocation was refused, until it is ended for it. V8 tries again
/// after collecting garbage, so one refusal alone is no proof; the time of the collections does not count, nor
/// that in which the thread waited for a core.
const REFUSED_CPU_MAX: Duration = Duration::from_millis(15);
/// Refusals one after another until the script is ended: V8 itself tries a few times, what is more is a script
/// that goes on.
const REFUSALS_MAX: u32 = 12;

/// What an isolate holds and may hold, in bytes. Shared with the watchdog and the worker.
#[derive(Debug, Default)]
pub(crate) struct MemoryMeter {
    limit: AtomicU64,
    /// V8's heap as of the last garbage collection.
    heap: AtomicU64,
    /// Live buffers.
    buffers: AtomicU64,
    /// Responses on their way to clients, which the script has let go of.
    responses: AtomicU64,
    exceeded: AtomicBool,
    /// Size of an allocation that was refused and has not succeeded since; else zero.
    refused: AtomicU64,
    refusals: AtomicU32,
    /// Reading of the thread's clock at the first look at a refusal, in nanoseconds; else zero.
    refused_since: AtomicU64,
    /// V8 collects garbage.
    collecting: AtomicBool,
}

impl MemoryMeter {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit: AtomicU64::new(limit), ..Self::default() })
    }

    /// Heap, buffers and responses.
    pub(crate) fn held(&self) -> u64 {
        let [heap, buffers, responses] =
            [&self.heap, &self.buffers, &self.responses].map(|part| part.load(Ordering::Relaxed));
        heap + buffers + responses
    }

    /// Makes a response's body of `bytes` that counts until it is dropped; `None` when those that wait for
    /// their clients hold as much already as the function may. Short ones do not count: they are many, and their number
    /// is bounded.
    pub(crate) fn response(self: &Arc<Self>, bytes: Vec<u8>) -> Option<Bytes> {
        let length = bytes.len() as u64;
        if bytes.len() < limits::V8_COUNTED_RESPONSE_BYTES_MIN {
            return Some(Bytes::from(bytes));
        }
        let held = self.responses.fetch_add(length, Ordering::Relaxed) + length;
        let response = CountedResponse { bytes, meter: self.clone() };
        (held <= self.limit.load(Ordering::Relaxed)).then(|| Bytes::from_owner(response))
    }

    /// Whether the limit was hit: by the heap, or by a buffer that could not be had.
    pub(crate) fn exceeded(&self) -> bool {
        self.exceeded.load(Ordering::Acquire) || self.refused.load(Ordering::Acquire) != 0
    }

    /// Called by the watchdog with the reading of the isolate's CPU clock; true once a refusal has outlived
    /// V8's retries.
    pub(crate) fn refused_for_long(&self, now: Duration) -> bool {
        if self.exceeded.load(Ordering::Acquire) {
            return true;
        }
        let is_refused = self.refused.load(Ordering::Acquire) != 0;
        let many = self.refusals.load(Ordering::Relaxed) >= REFUSALS_MAX;
        if !is_refused || (self.collecting.load(Ordering::Acquire) && !many) {
            self.refused_since.store(0, Ordering::Relaxed);
            return false;
        }
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX).max(1);
        let since = self.refused_since.load(Ordering::Relaxed);
        if since == 0 {
            self.refused_since.store(now, Ordering::Relaxed);
        }
        let long = since != 0 && Duration::from_nanos(now.saturating_sub(since)) >= REFUSED_CPU_MAX;
        if many || long {
            // The script is ended for it, even if the next allocation succeeds before it notices.
            self.exceeded.store(true, Ordering::Release);
        }
        many || long
    }

    /// Takes note of the heap's size and whether heap and `external` memory fit the limit.
    fn heap_is(&self, heap: u64, external: u64) -> bool {
        self.heap.store(heap, Ordering::Relaxed);
        let outside = external.max(self.buffers.load(Ordering::Relaxed));
        let fits = heap + outside <= self.limit.load(Ordering::Relaxed);
        if !fits {
            self.exceeded.store(true, Ordering::Release);
        }
        fits
    }

    fn reserve(&self, bytes: u64) -> bool {
        let held = self.buffers.fetch_add(bytes, Ordering::Relaxed) + self.heap.load(Ordering::Relaxed);
        if held + bytes > self.limit.load(Ordering::Relaxed) {
            self.release(bytes);
            self.refusals.fetch_add(1, Ordering::Relaxed);
            self.refused.store(bytes.max(1), Ordering::Release);
            return false;
        }
        let refused = self.refused.load(Ordering::Relaxed);
        if refused != 0 && bytes >= refused {
            self.refused.store(0, Ordering::Release);
            self.refusals.store(0, Ordering::Relaxed);
        }
        true
    }

    /// Counts bytes that are there already; too many of them exceed the limit.
    pub(crate) fn take(&self, bytes: u64) {
        let held =
            self.buffers.fetch_add(bytes, Ordering::Relaxed) + bytes + self.heap.load(Ordering::Relaxed);
        if held > self.limit.load(Ordering::Relaxed) {
            self.exceeded.store(true, Ordering::Release);
        }
    }

    /// Counts bytes if they fit; that they do not is the caller's to tell.
    pub(crate) fn try_take(&self, bytes: u64) -> bool {
        let held =
            self.buffers.fetch_add(bytes, Ordering::Relaxed) + bytes + self.heap.load(Ordering::Relaxed);
        let fits = held <= self.limit.load(Ordering::Relaxed);
        if !fits {
            self.release(bytes);
        }
        fits
    }

    pub(crate) fn release(&self, bytes: u64) {
        self.buffers.fetch_sub(bytes, Ordering::Relaxed);
    }
}

struct CountedResponse {
    bytes: Vec<u8>,
    meter: Arc<MemoryMeter>,
}

impl AsRef<[u8]> for CountedResponse {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for CountedResponse {
    fn drop(&mut self) {
        self.meter.responses.fetch_sub(self.bytes.len() as u64, Ordering::Relaxed);
    }
}

/// Heap limit and counting allocator for a new isolate.
pub(crate) fn create_params(meter: &Arc<MemoryMeter>, heap_bytes_max: usize) -> v8::CreateParams {
    let handle = Arc::into_raw(meter.clone());
    // SAFETY: `handle` stays valid until `drop_allocator` takes the reference back, which V8 calls
    // once, after the last buffer is gone. `MemoryMeter` is Sync, as V8 frees on other threads.
    let allocator = unsafe { v8::new_rust_allocator(handle, &VTABLE) };
    v8::CreateParams::default().heap_limits(0, heap_bytes_max).array_buffer_allocator(allocator.make_shared())
}

static VTABLE: v8::RustAllocatorVtable<MemoryMeter> =
    v8::RustAllocatorVtable { allocate, allocate_uninitialized, free, drop: drop_allocator };

unsafe extern "C" fn allocate(meter: &MemoryMeter, bytes: usize) -> *mut c_void {
    counted(meter, bytes, |bytes| {
        // SAFETY: any size may be asked for; failure is a null pointer.
        unsafe { libc::calloc(bytes, 1) }
    })
}

unsafe extern "C" fn allocate_uninitialized(meter: &MemoryMeter, bytes: usize) -> *mut c_void {
    counted(meter, bytes, |bytes| {
        // SAFETY: as above.
        unsafe { libc::malloc(bytes) }
    })
}

fn counted(meter: &MemoryMeter, bytes: usize, allocate: impl Fn(usize) -> *mut c_void) -> *mut c_void {
    if !meter.reserve(bytes as u64) {
        return std::ptr::null_mut();
    }
    // V8 takes null for failure, and malloc(0) may be null.
    let memory = allocate(bytes.max(1));
    if memory.is_null() {
        meter.release(bytes as u64);
    }
    memory
}

unsafe extern "C" fn free(meter: &MemoryMeter, data: *mut c_void, bytes: usize) {
    // SAFETY: V8 hands back what `allocate` gave, once, with the same size.
    unsafe { libc::free(data) };
    meter.release(bytes as u64);
}

unsafe extern "C" fn drop_allocator(meter: *const MemoryMeter) {
    // SAFETY: this is the reference that `create_params` leaked.
    drop(unsafe { Arc::from_raw(meter) });
}

/// Makes V8 report its heap to `meter` and end scripts that use too much.
///
/// `meter` must outlive `runtime`: V8 keeps a plain pointer to it.
pub(crate) fn watch(runtime: &mut deno_core::JsRuntime, meter: &Arc<MemoryMeter>, ender: Arc<Ender>) {
    let flag = meter.clone();
    runtime.add_near_heap_limit_callback(move |current, _initial| {
        flag.exceeded.store(true, Ordering::Release);
        ender.end();
        current + limits::V8_HEAP_HEADROOM_BYTES
    });
    let data = Arc::as_ptr(meter).cast_mut().cast::<c_void>();
    runtime.v8_isolate().add_gc_prologue_callback(
        before_collection,
        data,
        v8::GCType::kGCTypeMarkSweepCompact,
    );
    runtime.v8_isolate().add_gc_epilogue_callback(
        after_collection,
        data,
        v8::GCType::kGCTypeMarkSweepCompact,
    );
}

unsafe extern "C" fn before_collection(
    _isolate: v8::UnsafeRawIsolatePtr,
    _kind: v8::GCType,
    _flags: v8::GCCallbackFlags,
    meter: *mut c_void,
) {
    // SAFETY: `watch` demands that the meter outlives the isolate.
    let meter = unsafe { &*meter.cast::<MemoryMeter>() };
    meter.collecting.store(true, Ordering::Release);
}

unsafe extern "C" fn after_collection(
    isolate: v8::UnsafeRawIsolatePtr,
    _kind: v8::GCType,
    _flags: v8::GCCallbackFlags,
    meter: *mut c_void,
) {
    // SAFETY: `watch` demands that the meter outlives the isolate.
    let meter = unsafe { &*meter.cast::<MemoryMeter>() };
    // SAFETY: V8 calls this on the isolate's thread with the isolate alive; the statistics are
    // plain numbers and reading them runs no script.
    let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(isolate) };
    meter.collecting.store(false, Ordering::Release);
    note_heap(&mut isolate, meter);
}

/// Reads V8's figures; terminates the script if they are over the limit.
pub(crate) fn note_heap(isolate: &mut v8::Isolate, meter: &MemoryMeter) {
    let heap = isolate.get_heap_statistics().used_heap_size();
    // Adjusting by nothing tells V8's own count, which has WebAssembly memories in it too.
    let external = isolate.adjust_amount_of_external_allocated_memory(0);
    if !meter.heap_is(heap as u64, u64::try_from(external).unwrap_or(0)) {
        isolate.terminate_execution();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::{MemoryMeter, REFUSALS_MAX};

    #[test]
    fn a_refusal_is_forgiven_when_the_retry_succeeds() {
        let meter = MemoryMeter::new(100);
        assert!(meter.reserve(60));
        assert!(!meter.reserve(60));
        assert!(meter.exceeded());
        meter.release(60);
        assert!(meter.reserve(60));
        assert!(!meter.exceeded());
        assert_eq!(meter.held(), 60);
    }

    #[test]
    fn who_is_ended_for_a_refusal_stays_over_the_limit() {
        let meter = MemoryMeter::new(100);
        assert!(!meter.reserve(200));
        let clock = (1..).map(Duration::from_millis);
        assert!(clock.take(100).any(|now| meter.refused_for_long(now)));
        meter.limit.store(300, Ordering::Relaxed);
        assert!(meter.reserve(200));
        assert!(meter.exceeded());
    }

    #[test]
    fn waiting_for_a_core_or_for_a_collection_is_no_refusal() {
        let meter = MemoryMeter::new(100);
        assert!(!meter.reserve(200));
        let looks = |now| (0..100).any(|_| meter.refused_for_long(Duration::from_millis(now)));
        assert!(!looks(1));
        meter.collecting.store(true, Ordering::Relaxed);
        assert!(!looks(50));
        meter.collecting.store(false, Ordering::Relaxed);
        assert!(!looks(60));
        assert!(looks(75));
    }

    #[test]
    fn who_catches_refusals_and_goes_on_is_ended() {
        let meter = MemoryMeter::new(100);
        while !meter.refused_for_long(Duration::from_millis(1)) {
            assert!(!meter.reserve(200));
        }
        assert_eq!(meter.refusals.load(Ordering::Relaxed), REFUSALS_MAX);
    }

    #[test]
    fn responses_that_wait_have_the_limit_once_more() {
        let meter = MemoryMeter::new(1 << 20);
        assert!(meter.reserve(1 << 19));
        let first = meter.response(vec![0; 1 << 20]).unwrap();
        assert_eq!((meter.held(), meter.exceeded()), ((1 << 20) + (1 << 19), false));
        assert!(meter.response(vec![0; 1 << 16]).is_none());
        assert_eq!(meter.response(vec![0; 5]).unwrap().len(), 5);
        drop(first);
        assert_eq!(meter.response(vec![0; 1 << 16]).unwrap().len(), 1 << 16);
        assert_eq!(meter.held(), 1 << 19);
    }

    #[test]
    fn heap_and_buffers_share_one_limit() {
        let meter = MemoryMeter::new(100);
        assert!(meter.heap_is(50, 0));
        assert!(meter.reserve(50));
        assert!(!meter.heap_is(51, 0));
        assert!(meter.exceeded());
    }
}
