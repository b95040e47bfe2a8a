//! How long a message waits before it is tried again.

use std::time::Duration;

use isobase_base::limits::QUEUE_RETRY_DELAY_MAX;
use rand::Rng;

/// Doubles with each failed attempt, up to a bound. A quarter more or less by chance, so that messages
/// that failed together do not come back together.
pub(super) fn pause(base: Duration, attempts: i32) -> Duration {
    let doublings = attempts.saturating_sub(1).clamp(0, 31).unsigned_abs();
    let pause = base.saturating_mul(1 << doublings).min(QUEUE_RETRY_DELAY_MAX);
    pause.mul_f64(rand::thread_rng().gen_range(0.75..1.25)).min(QUEUE_RETRY_DELAY_MAX)
}

#[cfg(test)]
mod tests {
    use super::pause;
    use std::time::Duration;

    #[test]
    fn pauses_double_up_to_the_bound() {
        let base = Duration::from_millis(100);
        for (attempts, millis) in [(0, 100), (1, 100), (2, 200), (5, 1_600), (100, 3_600_000)] {
            let found = pause(base, attempts).as_millis();
            assert!((millis * 3 / 4..=millis * 5 / 4).contains(&found), "{attempts}: {found}");
        }
    }
}
