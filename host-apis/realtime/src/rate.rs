//! Rates that may be exceeded for a moment: a token bucket.

use std::time::Instant;

use isobase_base::limits;

/// Lets so many events through per second, averaged over [`limits::REALTIME_RATE_WINDOW`].
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: f64,
    /// What may come at once.
    allowance: f64,
    filled_at: Instant,
}

impl Rate {
    pub(crate) fn per_second(count: u32, now: Instant) -> Self {
        let per_second = f64::from(count);
        Self { per_second, allowance: Self::full(per_second), filled_at: now }
    }

    fn full(per_second: f64) -> f64 {
        per_second * limits::REALTIME_RATE_WINDOW.as_secs_f64()
    }

    /// Takes `count` events out of the allowance, all or none.
    pub(crate) fn admits(&mut self, count: usize, now: Instant) -> bool {
        self.fill(now);
        #[allow(clippy::cast_precision_loss, reason = "counts are small")]
        let count = count as f64;
        let is_admitted = count <= self.allowance;
        if is_admitted {
            self.allowance -= count;
        }
        is_admitted
    }

    /// Events that would be let through now.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative, and small")]
    pub(crate) fn remaining(&mut self, now: Instant) -> u64 {
        self.fill(now);
        self.allowance as u64
    }

    /// Events per second, on average over the window.
    pub(crate) fn rolling(&mut self, now: Instant) -> f64 {
        self.fill(now);
        (Self::full(self.per_second) - self.allowance) / limits::REALTIME_RATE_WINDOW.as_secs_f64()
    }

    fn fill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.allowance = (self.allowance + seconds * self.per_second).min(Self::full(self.per_second));
        self.filled_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::Rate;
    use isobase_base::limits::REALTIME_RATE_WINDOW;
    use std::time::{Duration, Instant};

    #[test]
    fn a_burst_uses_up_the_window_and_time_gives_it_back() {
        let begin = Instant::now();
        let mut rate = Rate::per_second(2, begin);
        let window = usize::try_from(REALTIME_RATE_WINDOW.as_secs()).unwrap() * 2;
        assert!(!rate.admits(window + 1, begin), "all or none");
        assert!(rate.admits(window, begin));
        assert!(!rate.admits(1, begin));
        assert!(rate.admits(2, begin + Duration::from_secs(1)));
        assert!(!rate.admits(1, begin + Duration::from_secs(1)));
        let rested = begin + 3 * REALTIME_RATE_WINDOW;
        assert_eq!(rate.remaining(rested), window as u64, "no more than one window is saved up");
        assert!(rate.rolling(rested) < 0.001);
    }
}
