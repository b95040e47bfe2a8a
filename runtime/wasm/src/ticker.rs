//! The clock that interrupts guests: a thread that advances the engine's epoch while guests run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use wasmtime::EngineWeak;

/// How long a guest may keep its thread before others get a turn, and the grain in which CPU use
/// is noticed.
pub(crate) const TICK: Duration = Duration::from_millis(2);
/// Ticks without a running guest until the thread sleeps. Long enough that a busy host never pays
/// for waking it.
const IDLE_TICKS_MAX: u32 = 250;

/// The ticking thread. Ends with its owner.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    running: AtomicUsize,
    asleep: AtomicBool,
    ended: AtomicBool,
}

/// A guest that runs; ticks are certain while one of these lives.
pub(crate) struct Ticking {
    shared: Arc<Shared>,
}

impl Ticker {
    pub(crate) fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            running: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("wasm-ticker".into()).spawn(move || of_thread.tick(&engine))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Cheap: a counter, and a wake only after a pause.
    pub(crate) fn run(&self) -> Ticking {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
        Ticking { shared: Arc::clone(&self.shared) }
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.as_ref().map(JoinHandle::thread) {
            Thread::unpark(thread);
        }
    }
}

impl Shared {
    fn tick(&self, engine: &EngineWeak) {
        let mut idle_ticks = 0;
        while !self.ended.load(Ordering::SeqCst) {
            if self.running.load(Ordering::SeqCst) > 0 {
                idle_ticks = 0;
            } else {
                idle_ticks += 1;
            }
            if idle_ticks > IDLE_TICKS_MAX {
                self.sleep();
                idle_ticks = 0;
            }
            std::thread::sleep(TICK);
            let Some(engine) = engine.upgrade() else { return };
            engine.increment_epoch();
        }
    }

    /// `asleep` is set before `running` is read, and `running` before `asleep` is read by those who
    /// start: one of both sees the other, so no guest runs without ticks.
    fn sleep(&self) {
        self.asleep.store(true, Ordering::SeqCst);
        while self.running.load(Ordering::SeqCst) == 0 && !self.ended.load(Ordering::SeqCst) {
            std::thread::park();
        }
        self.asleep.store(false, Ordering::SeqCst);
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.shared.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // The thread ends within a tick; a panic in it was reported when it happened.
            let _ = thread.join();
        }
    }
}
