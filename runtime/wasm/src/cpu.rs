//! CPU time of one invocation.
//!
//! A guest uses CPU only while its future is being polled: a wait in the host is a suspended
//! future. So the time within polls is summed up, by the CPU clock of the thread: on a busy machine
//! a thread that is made to wait would otherwise use up its guest's time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use crate::ticker::TICK;

/// Of a poll shorter than this the monotonic clock is exact enough, and cheaper to read.
const SHORT_POLL: Duration = Duration::from_millis(1);

/// Shared between the future that is polled and the callback that interrupts the guest; both are
/// on the same thread at any moment.
pub(crate) struct CpuMeter {
    origin: Instant,
    budget: AtomicU64,
    /// Nanoseconds of the polls that are over.
    used: AtomicU64,
    /// When the current poll began: nanoseconds since `origin`.
    poll_began: AtomicU64,
    /// The thread's CPU clock at that moment.
    poll_began_cpu: AtomicU64,
}

/// What a guest that was interrupted should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It has only just got the thread.
    GoOn,
    /// Others wait for the thread.
    Yield,
    /// The budget is used up.
    End,
}

impl CpuMeter {
    pub(crate) fn new(budget: Duration) -> Self {
        Self {
            origin: Instant::now(),
            budget: AtomicU64::new(nanos(budget)),
            used: AtomicU64::new(0),
            poll_began: AtomicU64::new(0),
            poll_began_cpu: AtomicU64::new(0),
        }
    }

    /// Begins a new invocation of the same instance.
    pub(crate) fn reset(&self, budget: Duration) {
        self.budget.store(nanos(budget), Ordering::Relaxed);
        self.used.store(0, Ordering::Relaxed);
    }

    pub(crate) fn poll_begins(&self) {
        self.poll_began.store(nanos(self.origin.elapsed()), Ordering::Relaxed);
        self.poll_began_cpu.store(thread_cpu_nanos(), Ordering::Relaxed);
    }

    /// Returns what the poll has used.
    pub(crate) fn poll_ends(&self) -> Duration {
        let used = self.used_in_poll();
        self.used.fetch_add(used, Ordering::Relaxed);
        Duration::from_nanos(used)
    }

    /// In all polls of this invocation that are over.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.used.load(Ordering::Relaxed))
    }

    /// Called when the guest is interrupted, once a tick.
    pub(crate) fn judge(&self) -> Verdict {
        let used = self.used.load(Ordering::Relaxed) + self.used_in_poll();
        let in_poll = nanos(self.origin.elapsed()) - self.poll_began.load(Ordering::Relaxed);
        if used >= self.budget.load(Ordering::Relaxed) {
            Verdict::End
        } else if in_poll >= nanos(TICK) / 2 {
            Verdict::Yield
        } else {
            Verdict::GoOn
        }
    }

    pub(crate) fn budget(&self) -> Duration {
        Duration::from_nanos(self.budget.load(Ordering::Relaxed))
    }

    fn used_in_poll(&self) -> u64 {
        let passed = nanos(self.origin.elapsed()).saturating_sub(self.poll_began.load(Ordering::Relaxed));
        if passed < nanos(SHORT_POLL) {
            return passed;
        }
        thread_cpu_nanos().saturating_sub(self.poll_began_cpu.load(Ordering::Relaxed))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// CPU time of this thread so far. Zero, and with it no limit, where the system has no such clock.
fn thread_cpu_nanos() -> u64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(0, |time| nanos(Duration::from(time)))
}

#[cfg(test)]
mod tests {
    use super::{CpuMeter, Verdict};
    use std::time::{Duration, Instant};

    fn burn(duration: Duration) {
        let began = Instant::now();
        while began.elapsed() < duration {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn only_time_within_polls_counts() {
        let meter = CpuMeter::new(Duration::from_millis(30));
        meter.poll_begins();
        assert_ne!(meter.judge(), Verdict::End);
        meter.poll_ends();
        burn(Duration::from_millis(40));
        meter.poll_begins();
        assert_ne!(meter.judge(), Verdict::End);
    }

    #[test]
    fn a_thread_that_is_made_to_wait_uses_nothing() {
        let meter = CpuMeter::new(Duration::from_millis(30));
        meter.poll_begins();
        std::thread::sleep(Duration::from_millis(60));
        assert_ne!(meter.judge(), Verdict::End);
        meter.poll_ends();
    }

    #[test]
    fn a_busy_guest_yields_and_ends_at_its_budget() {
        let meter = CpuMeter::new(Duration::from_millis(40));
        let mut verdicts = Vec::new();
        while verdicts.last() != Some(&Verdict::End) {
            meter.poll_begins();
            burn(Duration::from_millis(2));
            verdicts.push(meter.judge());
            meter.poll_ends();
        }
        assert!(verdicts.len() > 5, "{verdicts:?}");
        assert!(
            verdicts[..verdicts.len() - 1].iter().all(|verdict| *verdict == Verdict::Yield),
            "{verdicts:?}"
        );
        meter.reset(Duration::from_millis(40));
        meter.poll_begins();
        assert_ne!(meter.judge(), Verdict::End);
    }
}
