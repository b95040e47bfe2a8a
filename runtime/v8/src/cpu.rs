//! CPU time: measured by each isolate's own thread clock, enforced by one watchdog for all.
//!
//! An isolate works in *turns*: it takes what arrived, runs JavaScript until nothing is ready, and
//! sleeps. Waiting costs nothing. Two rules bound an invocation: a single turn must not use more
//! than what is left of the budget (the watchdog terminates it), and its share of all turns must
//! not either (checked after each turn). A turn is shared evenly among the invocations in flight,
//! since JavaScript does not say whose promise a microtask belongs to.
//!
//! What the isolate's other threads compute for it ([`NativeThreads`]) counts too, also while the isolate
//! itself sleeps: the watchdog looks on between turns as long as there are such threads.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::thread::Thread;
use std::time::{Duration, Instant};

use futures::task::AtomicWaker;
use parking_lot::Mutex;

use crate::ender::Ender;
use crate::invocation::InvocationId;
use crate::memory::MemoryMeter;
use crate::native::{NativeThreads, ThreadClock};

/// How often the watchdog looks at busy isolates: an overrun is noticed this much late at most.
const TICK: Duration = Duration::from_millis(5);
/// Ticks without any busy isolate until the watchdog sleeps.
const IDLE_TICKS_MAX: u32 = 20;

/// Looks at an overrun turn that does not end until its thread must yield to all others: it is in a call that
/// cannot be interrupted.
const LATE_LOOKS_MAX: u32 = 50;

/// What the watchdog knows of one isolate.
pub(crate) struct CpuMeter {
    thread: ThreadClock,
    native: Arc<NativeThreads>,
    /// Reading of all clocks together at which the budget of the last turn is used up, in nanoseconds; zero
    /// before the first.
    deadline: AtomicU64,
    in_turn: AtomicBool,
    overrun: AtomicBool,
    late_looks: AtomicU32,
    /// Wakes the isolate when it is over its budget while it sleeps.
    sleeper: AtomicWaker,
    ender: Arc<Ender>,
    memory: Arc<MemoryMeter>,
}

impl CpuMeter {
    /// Must be called on the isolate's own thread.
    pub(crate) fn of_this_thread(
        ender: Arc<Ender>,
        memory: Arc<MemoryMeter>,
        native: Arc<NativeThreads>,
    ) -> Arc<Self> {
        let meter = Arc::new(Self {
            thread: ThreadClock::of_this_thread(),
            native,
            deadline: AtomicU64::new(0),
            in_turn: AtomicBool::new(false),
            overrun: AtomicBool::new(false),
            late_looks: AtomicU32::new(0),
            sleeper: AtomicWaker::new(),
            ender,
            memory,
        });
        watchdog().meters.lock().push(meter.clone());
        meter
    }

    /// Who is woken when the budget is used up between turns.
    pub(crate) fn wake_when_over(&self, waker: &Waker) {
        self.sleeper.register(waker);
    }

    /// Whose script was ended, as far as it is known.
    pub(crate) fn culprit(&self) -> Option<InvocationId> {
        self.ender.culprit()
    }

    /// Whether a turn was ended for its CPU time.
    pub(crate) fn overran(&self) -> bool {
        self.overrun.load(Ordering::Acquire)
    }

    /// The watchdog looks no more.
    pub(crate) fn forget(self: &Arc<Self>) {
        self.deadline.store(0, Ordering::SeqCst);
        watchdog().meters.lock().retain(|meter| !Arc::ptr_eq(meter, self));
    }

    fn now(&self) -> Duration {
        self.thread.now()
    }

    /// One look by the watchdog; whether the isolate is in a turn, or may be at work beside one.
    fn inspect(&self) -> bool {
        let deadline = self.deadline.load(Ordering::SeqCst);
        let in_turn = self.in_turn.load(Ordering::SeqCst);
        let is_busy = in_turn || self.native.are_any();
        if deadline == 0 || !is_busy {
            return false;
        }
        let now = self.now();
        let overran = (now + self.native.used()).as_nanos() >= u128::from(deadline);
        if overran {
            self.overran_now(in_turn);
        }
        if in_turn && (overran || self.memory.refused_for_long(now)) {
            self.ender.end();
        }
        true
    }

    fn overran_now(&self, in_turn: bool) {
        self.overrun.store(true, Ordering::Release);
        self.native.yield_to_all();
        if !in_turn {
            self.sleeper.wake();
        } else if self.late_looks.fetch_add(1, Ordering::Relaxed) == LATE_LOOKS_MAX {
            self.thread.yield_to_all();
        }
    }
}

/// Of a turn shorter than this the monotonic clock is exact enough, and much cheaper to read.
const SHORT_TURN: Duration = Duration::from_millis(1);

/// The isolate's side: turns, and the clock that its invocations share.
pub(crate) struct Turns {
    meter: Arc<CpuMeter>,
    clock: Rc<TurnClock>,
}

/// The clock of the turn under way, for operations that are called in it. Thread of the isolate only.
pub(crate) struct TurnClock {
    meter: Arc<CpuMeter>,
    began: Cell<Instant>,
    /// The thread's CPU clock at that moment.
    began_cpu: Cell<Duration>,
    /// What other threads had used when it was last counted.
    native: Cell<Duration>,
    /// The sum over all turns that are over of (CPU time used ÷ invocations in flight).
    shared: Cell<Duration>,
}

impl TurnClock {
    /// Whether the turn was ended for its CPU time.
    pub(crate) fn is_over(&self) -> bool {
        self.meter.overran()
    }

    /// The reading for who shares the turn with `sharers` in all.
    pub(crate) fn read(&self, sharers: usize) -> Duration {
        let elapsed = self.began.get().elapsed();
        let used = match elapsed < SHORT_TURN {
            true => elapsed,
            false => self.meter.now().saturating_sub(self.began_cpu.get()),
        };
        let used = used + self.native_since().1;
        self.shared.get() + used / u32::try_from(sharers.max(1)).unwrap_or(u32::MAX)
    }

    /// What other threads have used in all, and since that was last counted.
    fn native_since(&self) -> (Duration, Duration) {
        let used = self.meter.native.used();
        (used, used.saturating_sub(self.native.get()))
    }
}

impl Turns {
    pub(crate) fn new(meter: Arc<CpuMeter>) -> Self {
        let clock = TurnClock {
            meter: meter.clone(),
            began: Cell::new(Instant::now()),
            began_cpu: Cell::default(),
            native: Cell::default(),
            shared: Cell::default(),
        };
        Self { meter, clock: Rc::new(clock) }
    }

    pub(crate) fn clock(&self) -> Rc<TurnClock> {
        self.clock.clone()
    }

    pub(crate) fn meter(&self) -> &Arc<CpuMeter> {
        &self.meter
    }

    /// What an invocation's own reading is taken from, at its beginning and later.
    pub(crate) fn shared(&self) -> Duration {
        self.clock.shared.get()
    }

    /// JavaScript may run from here on, for at most `budget`.
    pub(crate) fn begin(&mut self, budget: Duration) {
        let begin = self.meter.now();
        self.clock.began.set(Instant::now());
        self.clock.began_cpu.set(begin);
        let deadline = (begin + self.clock.native.get() + budget).as_nanos();
        // In this order: the watchdog must not hold the turn to the deadline of the last one.
        self.meter.deadline.store(u64::try_from(deadline).unwrap_or(u64::MAX), Ordering::SeqCst);
        self.meter.in_turn.store(true, Ordering::SeqCst);
        watchdog().wake();
    }

    /// No JavaScript runs any more. The time used, by other threads since the last turn too, goes to
    /// `sharers` invocations in equal parts, and is returned.
    pub(crate) fn end(&mut self, sharers: usize) -> Duration {
        self.meter.in_turn.store(false, Ordering::SeqCst);
        let (native, native_used) = self.clock.native_since();
        self.clock.native.set(native);
        let used = self.meter.now().saturating_sub(self.clock.began_cpu.get()) + native_used;
        let share = used / u32::try_from(sharers.max(1)).unwrap_or(u32::MAX);
        self.clock.shared.set(self.clock.shared.get() + share);
        used
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.meter.forget();
    }
}

/// The thread that looks at all isolates.
struct Watchdog {
    meters: Mutex<Vec<Arc<CpuMeter>>>,
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

/// A thread that computes for an isolate begins.
pub(crate) fn look() {
    watchdog().wake();
}

/// Started by the first isolate; lives as long as the process.
fn watchdog() -> &'static Watchdog {
    static WATCHDOG: OnceLock<&'static Watchdog> = OnceLock::new();
    WATCHDOG.get_or_init(|| {
        let watchdog: &'static Watchdog = Box::leak(Box::new(Watchdog {
            meters: Mutex::default(),
            asleep: AtomicBool::new(false),
            thread: OnceLock::new(),
        }));
        let spawned = std::thread::Builder::new()
            .name("v8-watchdog".to_owned())
            .spawn(move || watchdog.run())
            .expect("the process may have one more thread");
        let _ = watchdog.thread.set(spawned.thread().clone());
        watchdog
    })
}

impl Watchdog {
    fn run(&self) {
        let mut idle_ticks = 0;
        loop {
            std::thread::park_timeout(TICK);
            idle_ticks = if self.inspect_all() { 0 } else { idle_ticks + 1 };
            if idle_ticks > IDLE_TICKS_MAX {
                // Announce the sleep, then look once more: a turn that began in between either
                // sees the announcement or is seen here.
                self.asleep.store(true, Ordering::SeqCst);
                if !self.inspect_all() {
                    std::thread::park();
                }
                self.asleep.store(false, Ordering::SeqCst);
                idle_ticks = 0;
            }
        }
    }

    fn inspect_all(&self) -> bool {
        self.meters.lock().iter().filter(|meter| meter.inspect()).count() > 0
    }

    fn wake(&self) {
        if self.asleep.load(Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }
}
