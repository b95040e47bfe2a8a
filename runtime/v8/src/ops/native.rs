//! What native code is asked to do for a script, judged before it begins: nothing ends it once it runs, and V8
//! sees neither its time nor its memory. `js/native.js` asks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use deno_core::{GarbageCollected, OpState, op2, v8};
use deno_error::JsErrorBox;
use isobase_base::limits;

use crate::invocation::Invocations;
use crate::memory::MemoryMeter;

/// Bytes outside of V8's heap that count as the function's memory until this is let go of or collected.
pub(crate) struct Held {
    bytes: Cell<u64>,
    memory: Arc<MemoryMeter>,
}

// SAFETY: it holds nothing that the collector would have to know of.
unsafe impl GarbageCollected for Held {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"Held"
    }
}

impl Held {
    fn release(&self) {
        self.memory.release(self.bytes.take());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}

/// Counts `bytes` that native code is about to take. Throws when they are more than the function may have, even
/// after its garbage is collected.
#[op2(reentrant)]
#[cppgc]
pub(crate) fn op_isobase_hold(
    scope: &mut v8::PinScope<'_, '_>,
    state: Rc<RefCell<OpState>>,
    #[number] bytes: u64,
) -> Result<Held, JsErrorBox> {
    let memory = state.borrow().borrow::<Invocations>().memory().clone();
    if !take(scope, &memory, bytes) {
        return Err(too_much(bytes));
    }
    Ok(Held { bytes: Cell::new(bytes), memory })
}

/// They are free again.
#[op2(fast)]
pub(crate) fn op_isobase_release(#[cppgc] held: &Held) {
    held.release();
}

/// Whether the function may have `bytes` more; they count then. Garbage that still holds some is collected first.
pub(crate) fn take(scope: &mut v8::PinScope<'_, '_>, memory: &MemoryMeter, bytes: u64) -> bool {
    if memory.try_take(bytes) {
        return true;
    }
    scope.low_memory_notification();
    memory.try_take(bytes)
}

pub(crate) fn too_much(bytes: u64) -> JsErrorBox {
    JsErrorBox::range_error(format!("{} KiB more are over this function's memory limit", bytes >> 10))
}

/// Deriving `bytes` of a key with a hash that is computed `iterations` times for each of its blocks.
#[op2(fast)]
pub(crate) fn op_isobase_judge_iterations(
    #[number] iterations: u64,
    #[number] bytes: u64,
) -> Result<(), JsErrorBox> {
    judge_iterations(iterations, bytes)
}

pub(super) fn judge_iterations(iterations: u64, bytes: u64) -> Result<(), JsErrorBox> {
    let blocks = bytes.div_ceil(limits::V8_KEY_BLOCK_BYTES).max(1);
    judge(iterations.saturating_mul(blocks), limits::V8_KEY_ITERATIONS_MAX, "iterations of a hash")
}

/// `scrypt` and `argon2`, which fill so many bytes of memory, so many times.
#[op2(fast)]
pub(crate) fn op_isobase_judge_filling(#[number] bytes: u64, #[number] times: u64) -> Result<(), JsErrorBox> {
    judge_filling(bytes, times)
}

pub(super) fn judge_filling(bytes: u64, times: u64) -> Result<(), JsErrorBox> {
    judge(bytes.saturating_mul(times), limits::V8_KEY_FILLED_BYTES_MAX, "bytes to fill for a key")
}

/// Looking for primes of so many bits for an RSA key or by itself.
#[op2(fast)]
pub(crate) fn op_isobase_judge_prime(#[number] bits: u64) -> Result<(), JsErrorBox> {
    judge(bits, limits::V8_PRIME_BITS_MAX, "bits of a prime")
}

/// Looking for a safe prime, which are rare.
#[op2(fast)]
pub(crate) fn op_isobase_judge_safe_prime(#[number] bits: u64) -> Result<(), JsErrorBox> {
    judge(bits, limits::V8_SAFE_PRIME_BITS_MAX, "bits of a safe prime")
}

/// Reading a key whose arithmetic takes long when it is: RSA's.
#[op2(fast)]
pub(crate) fn op_isobase_judge_key(#[number] bytes: u64) -> Result<(), JsErrorBox> {
    judge(bytes, limits::V8_KEY_TEXT_BYTES_MAX, "bytes of a key")
}

/// Arithmetic with numbers of so many bytes, so many times.
#[op2(fast)]
pub(crate) fn op_isobase_judge_powers(#[number] bytes: u64, #[number] times: u64) -> Result<(), JsErrorBox> {
    judge(bytes, limits::V8_POWER_BYTES_MAX, "bytes of a number to raise to a power")?;
    judge(times, limits::V8_PRIME_CHECKS_MAX, "checks of a prime")
}

fn judge(asked: u64, bound: u64, what: &str) -> Result<(), JsErrorBox> {
    if asked <= bound {
        return Ok(());
    }
    Err(JsErrorBox::range_error(format!("{asked} {what}; a function may ask for {bound} at once")))
}
