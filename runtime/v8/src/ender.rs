//! Ending a script that goes over a limit, and finding out whose it was.
//!
//! Several requests share an isolate, and which of them a microtask belongs to is known only to the
//! async context while it runs. So V8 is asked to interrupt the script first: the interrupt reads the
//! context on the isolate's own thread and then terminates. Code that never comes to a point where
//! it could be interrupted is terminated as soon as V8 can.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use deno_core::{JsRuntime, v8};

use crate::invocation::InvocationId;

/// Calls of [`Ender::end`] until the script is terminated without an interrupt. The watchdog calls
/// every few milliseconds.
const ASKED_MAX: u32 = 4;
/// `kInvocation` in `serve.js`.
const INVOCATION_KEY: &str = "isobase.invocation";

/// Ends what an isolate runs. Shared with the watchdog; V8 keeps a plain pointer to it, so it must
/// outlive the isolate.
pub(crate) struct Ender {
    handle: v8::IsolateHandle,
    asked: AtomicU32,
    culprit: AtomicU32,
}

/// In a slot of the isolate: what the interrupt needs to look at objects.
struct MainContext(v8::Global<v8::Context>);

impl Ender {
    pub(crate) fn new(runtime: &mut JsRuntime) -> Arc<Self> {
        let context = runtime.main_context();
        let isolate = runtime.v8_isolate();
        isolate.set_slot(MainContext(context));
        let handle = isolate.thread_safe_handle();
        Arc::new(Self { handle, asked: AtomicU32::new(0), culprit: AtomicU32::new(0) })
    }

    /// Takes out of the isolate what was put there for [`Ender::new`]: no image can have it.
    pub(crate) fn leave(runtime: &mut JsRuntime) {
        runtime.v8_isolate().remove_slot::<MainContext>();
    }

    /// Ends the running script. May be called from any thread, and again until it has an effect.
    pub(crate) fn end(&self) {
        match self.asked.fetch_add(1, Ordering::Relaxed) {
            0 => {
                let this = std::ptr::from_ref(self).cast_mut().cast::<c_void>();
                self.handle.request_interrupt(interrupted, this);
            }
            1..ASKED_MAX => {}
            _ => {
                self.handle.terminate_execution();
            }
        }
    }

    /// Whose script it was; `None` when nothing was ended, or nobody's.
    pub(crate) fn culprit(&self) -> Option<InvocationId> {
        Some(self.culprit.load(Ordering::Acquire)).filter(|id| *id != 0)
    }
}

unsafe extern "C" fn interrupted(isolate: v8::UnsafeRawIsolatePtr, ender: *mut c_void) {
    // SAFETY: an `Ender` outlives its isolate, and V8 runs interrupts only of living isolates.
    let ender = unsafe { &*ender.cast::<Ender>() };
    // SAFETY: V8 calls this on the isolate's thread, in the middle of a script.
    let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(isolate) };
    if let Some(id) = running_invocation(&mut isolate) {
        ender.culprit.store(id, Ordering::Release);
    }
    isolate.terminate_execution();
}

/// Reads a plain property of a plain object: no script runs for it.
fn running_invocation(isolate: &mut v8::Isolate) -> Option<InvocationId> {
    let MainContext(context) = isolate.get_slot()?;
    let context = context.clone();
    v8::scope_with_context!(scope, isolate, &context);
    let running = scope.get_continuation_preserved_embedder_data();
    let running = v8::Local::<v8::Object>::try_from(running).ok()?;
    let name = v8::String::new(scope, INVOCATION_KEY)?;
    let key = v8::Symbol::for_key(scope, name);
    let id = running.get(scope, key.into()).filter(|id| id.is_number())?;
    id.uint32_value(scope)
}
