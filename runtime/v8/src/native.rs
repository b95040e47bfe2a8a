//! The other threads of an isolate: those on which calls that block run, such as deriving a key.
//!
//! They belong to the isolate's reactor, so what they compute is counted as the function's CPU time. A call
//! that is under way cannot be ended: when its isolate is over its budget, its thread is made to yield to
//! everybody else until it is done, and what one call may ask for is bounded (`ops/native.rs`).

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// The weakest claim to a core that the kernel knows.
const NICE: libc::c_int = 19;

/// The threads of one isolate's reactor beside the isolate's own.
#[derive(Default)]
pub(crate) struct NativeThreads {
    running: Mutex<Vec<ThreadClock>>,
    /// Told when one has ended.
    left: Condvar,
    /// How many there are.
    count: AtomicUsize,
    /// What threads that have ended had used, in nanoseconds.
    ended: AtomicU64,
}

/// A thread of this process, and the clock of its CPU time.
#[derive(Clone, Copy)]
pub(crate) struct ThreadClock {
    id: libc::pid_t,
    clock: libc::clockid_t,
}

impl ThreadClock {
    pub(crate) fn of_this_thread() -> Self {
        let mut clock = libc::CLOCK_THREAD_CPUTIME_ID;
        // SAFETY: `clock` is a valid place to write to, and the calling thread exists. The call
        // fails only for a thread that does not; then `clock` keeps a value that means "mine".
        unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) };
        // SAFETY: it takes nothing and cannot fail.
        let id = unsafe { libc::gettid() };
        Self { id, clock }
    }

    pub(crate) fn now(self) -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a valid place to write to. A clock of a thread that has ended is
        // refused by the kernel, and `time` stays zero.
        unsafe { libc::clock_gettime(self.clock, &raw mut time) };
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
    }

    /// From here on the thread runs where nobody else wants to.
    pub(crate) fn yield_to_all(self) {
        // SAFETY: it takes numbers alone. A thread that has ended meanwhile is refused.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, self.id.unsigned_abs(), NICE) };
    }
}

impl NativeThreads {
    /// On a thread that begins.
    pub(crate) fn enter(&self) {
        let mut running = self.running.lock();
        running.push(ThreadClock::of_this_thread());
        self.count.store(running.len(), Ordering::Release);
    }

    /// On the same thread as it ends.
    pub(crate) fn leave(&self) {
        let this = ThreadClock::of_this_thread();
        let used = u64::try_from(this.now().as_nanos()).unwrap_or(u64::MAX);
        let mut running = self.running.lock();
        running.retain(|thread| thread.id != this.id);
        self.ended.fetch_add(used, Ordering::AcqRel);
        self.count.store(running.len(), Ordering::Release);
        self.left.notify_all();
    }

    pub(crate) fn are_any(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// What all of them have used together, since the isolate was made. Costs nothing while there are none.
    pub(crate) fn used(&self) -> Duration {
        let ended = || Duration::from_nanos(self.ended.load(Ordering::Acquire));
        if !self.are_any() {
            return ended();
        }
        let running = self.running.lock();
        ended() + running.iter().map(|thread| thread.now()).sum::<Duration>()
    }

    /// Nobody waits for what they compute any more.
    pub(crate) fn yield_to_all(&self) {
        self.running.lock().iter().for_each(|thread| thread.yield_to_all());
    }

    /// Blocks until all have ended.
    pub(crate) fn join(&self) {
        let mut running = self.running.lock();
        while !running.is_empty() {
            self.left.wait(&mut running);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::{NativeThreads, ThreadClock};

    #[test]
    fn what_a_thread_used_is_counted_while_it_runs_and_after() {
        let threads = Arc::new(NativeThreads::default());
        let theirs = threads.clone();
        let thread = std::thread::spawn(move || {
            theirs.enter();
            let clock = ThreadClock::of_this_thread();
            let begun = Instant::now();
            while clock.now() < Duration::from_millis(20) && begun.elapsed() < Duration::from_secs(30) {}
            assert!(theirs.are_any() && theirs.used() >= Duration::from_millis(20));
            theirs.yield_to_all();
            theirs.leave();
        });
        thread.join().unwrap();
        threads.join();
        assert!(!threads.are_any());
        assert!(threads.used() >= Duration::from_millis(20));
    }
}
