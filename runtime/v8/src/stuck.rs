//! A panic in the middle of a script, contained.
//!
//! Operations are called by V8, and a panic cannot unwind through V8's frames: Rust would abort the process,
//! and with it the host and all other functions. The platform's operations have places where a script that
//! handles their internals can make them panic. So the panic hook, which runs on the thread that panics and
//! before anything is unwound, never returns there: it lets go of what others wait for, and the thread stays
//! where it is, with its isolate, until the process ends. That memory is lost; a defect should be mended.

use std::cell::RefCell;
use std::sync::Arc;

use crate::cpu::CpuMeter;
use crate::isolate::{Alive, Status};

thread_local! {
    static THIS: RefCell<Option<Lifeline>> = const { RefCell::new(None) };
}

/// What others hold of an isolate.
pub(crate) struct Lifeline {
    pub(crate) function: String,
    pub(crate) status: Arc<Status>,
    pub(crate) alive: Alive,
    pub(crate) meter: Arc<CpuMeter>,
}

/// From here on until [`finished`] a panic of this thread ends the isolate, not the process.
pub(crate) fn contain(lifeline: Lifeline) {
    THIS.with_borrow_mut(|this| *this = Some(lifeline));
}

/// The isolate's last script has run.
pub(crate) fn finished() {
    drop(THIS.with_borrow_mut(Option::take));
}

/// Once per process.
pub(crate) fn install() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        let this = THIS.try_with(|this| this.try_borrow_mut().ok()?.take());
        if let Ok(Some(lifeline)) = this {
            stay(lifeline);
        }
    }));
}

fn stay(lifeline: Lifeline) -> ! {
    let Lifeline { function, status, alive, meter } = lifeline;
    tracing::error!(
        function,
        "an operation of the host panicked in a function: its isolate is given up and its memory lost until the \
         next start; the lines above say where, please report them"
    );
    meter.forget();
    status.note_stuck();
    drop((status, alive, meter));
    loop {
        std::thread::park();
    }
}
