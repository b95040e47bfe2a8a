//! A histogram of durations without a lock: threads that count do not wait for each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in seconds: 50 µs to 10 s, the span of a request from a cache hit to a timeout.
pub(super) const BOUNDS: [f64; 16] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    10.0,
];

/// Counts by bucket, the last one for what is over all bounds.
#[derive(Debug, Default)]
pub(super) struct Durations {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

/// A histogram as it was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DurationsRead {
    /// Upper bound in seconds and count of each bucket; the last bound is infinite.
    pub buckets: Vec<(f64, u64)>,
    pub count: u64,
    pub sum: Duration,
}

impl Durations {
    pub(super) fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(nanos(duration), Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> DurationsRead {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        let buckets: Vec<_> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        DurationsRead { buckets, count, sum: Duration::from_nanos(self.nanos.load(Ordering::Relaxed)) }
    }
}

impl DurationsRead {
    /// The bound below which `share` (0 to 1) of all lie; `None` without any, or over all bounds.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let wanted = (self.count as f64 * share).ceil().max(1.0);
        let mut seen = 0;
        let bound = self.buckets.iter().find_map(|(bound, count)| {
            seen += count;
            (seen as f64 >= wanted).then_some(*bound)
        });
        bound.filter(|bound| bound.is_finite()).map(Duration::from_secs_f64)
    }
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Durations;

    #[test]
    fn quantiles_are_bounds_of_buckets() {
        let durations = Durations::default();
        assert_eq!(durations.read().quantile(0.5), None);
        for millis in [1, 1, 1, 40, 60_000] {
            durations.observe(Duration::from_millis(millis));
        }
        let read = durations.read();
        assert_eq!((read.count, read.sum), (5, Duration::from_millis(60_043)));
        assert_eq!(read.quantile(0.5), Some(Duration::from_millis(1)));
        assert_eq!(read.quantile(0.8), Some(Duration::from_millis(50)));
        assert_eq!(read.quantile(0.99), None);
    }
}
