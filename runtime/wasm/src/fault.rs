//! Why a guest ended without having answered, in the words of [`Failure`].

use std::fmt::Write;
use std::time::Duration;

use isobase_base::{Failure, FailureKind};
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::guest_log::GuestLog;
use crate::memory::MemoryBound;

/// Raised in a guest that has used up its CPU time.
#[derive(Debug, thiserror::Error)]
#[error("used up its CPU time of {} ms", .0.as_millis())]
pub(crate) struct CpuLimitReached(pub(crate) Duration);

/// Tells the limits apart from a crash.
pub(crate) fn failure(error: &wasmtime::Error, memory: &mut MemoryBound, log: &GuestLog) -> Failure {
    if let Some(reached) = error.downcast_ref::<CpuLimitReached>() {
        return Failure::new(FailureKind::CpuLimit, format!("the function {reached}"));
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Failure::new(FailureKind::Overloaded, "all WebAssembly instances of the host are in use");
    }
    if memory.take_refused() {
        let mib = memory.bytes_max() >> 20;
        return Failure::new(
            FailureKind::MemoryLimit,
            format!("the function asked for more than {mib} MiB of memory"),
        );
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        let code = exit.0;
        return Failure::new(
            FailureKind::Crashed,
            format!("the function ended itself with exit code {code}"),
        );
    }
    Failure::new(FailureKind::Crashed, crash(error, &log.tail()))
}

/// What the guest said last, what stopped it, and where.
fn crash(error: &wasmtime::Error, last_words: &str) -> String {
    let mut detail = String::new();
    if !last_words.is_empty() {
        detail.push_str(last_words);
        detail.push('\n');
    }
    match error.downcast_ref::<Trap>() {
        Some(trap) => detail.push_str(&trap.to_string()),
        None => detail.push_str(&error.root_cause().to_string()),
    }
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        let _ = write!(detail, "\n{backtrace}");
    }
    detail
}
