//! What becomes of a request after an attempt.

use std::time::Duration;

use isobase_base::limits::OUTBOUND_RETRY_AFTER_MAX;
use rand::Rng;

use super::claimed::Options;
use super::delivery::Outcome;

/// Statuses that say "later" rather than "no": tried again where retries were asked for.
const LATER: [u16; 7] = [408, 425, 429, 500, 502, 503, 504];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// The outcome stands.
    Finish,
    /// The outcome stands, and the request is kept for somebody to look at.
    GiveUp,
    RetryAfter(Duration),
}

/// `attempts` counts the one that just ended.
pub(super) fn decide(options: &Options, attempts: u32, outcome: &Outcome) -> Decision {
    let is_later = match outcome.status {
        Some(status) => options.retry_on.as_deref().unwrap_or(&LATER).contains(&status),
        None => outcome.is_worth_retrying,
    };
    if !is_later || options.retries == 0 {
        return Decision::Finish;
    }
    if attempts > options.retries {
        return Decision::GiveUp;
    }
    let pause = backoff(options, attempts);
    let asked = outcome.retry_after.map_or(Duration::ZERO, |asked| asked.min(OUTBOUND_RETRY_AFTER_MAX));
    Decision::RetryAfter(pause.max(asked))
}

/// Doubles from the first pause to the longest; half of it is by chance, so that requests which failed
/// together do not come back together.
fn backoff(options: &Options, attempts: u32) -> Duration {
    let doubled = options.backoff_min().saturating_mul(1_u32 << attempts.saturating_sub(1).min(20));
    let whole = doubled.min(options.backoff_max());
    whole.mul_f64(rand::thread_rng().gen_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Decision, decide};
    use crate::outbound::claimed::Options;
    use crate::outbound::delivery::Outcome;

    fn answered(status: u16, retry_after: Option<u64>) -> Outcome {
        let retry_after = retry_after.map(Duration::from_secs);
        Outcome { status: Some(status), retry_after, ..Outcome::default() }
    }

    fn options(json: &str) -> Options {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn without_retries_every_outcome_stands() {
        for status in [200, 404, 503] {
            assert_eq!(decide(&Options::default(), 1, &answered(status, Some(1))), Decision::Finish);
        }
    }

    #[test]
    fn retries_back_off_within_their_bounds_and_end() {
        let options =
            options(r#"{"retries": 3, "backoff_milliseconds": 100, "backoff_max_milliseconds": 250}"#);
        for (attempts, low, high) in [(1, 50, 100), (2, 100, 200), (3, 125, 250)] {
            let Decision::RetryAfter(pause) = decide(&options, attempts, &answered(503, None)) else {
                panic!("attempt {attempts} is followed by another");
            };
            assert!((low..=high).contains(&pause.as_millis()), "{attempts}: {pause:?}");
        }
        assert_eq!(decide(&options, 4, &answered(503, None)), Decision::GiveUp);
        assert_eq!(decide(&options, 1, &answered(400, None)), Decision::Finish);
    }

    #[test]
    fn the_receiver_may_ask_for_more_time_and_the_sender_for_other_statuses() {
        let options = options(r#"{"retries": 1, "retry_on": [404]}"#);
        assert_eq!(decide(&options, 1, &answered(503, None)), Decision::Finish);
        let asked = decide(&options, 1, &answered(404, Some(7)));
        assert_eq!(asked, Decision::RetryAfter(Duration::from_secs(7)));
    }

    #[test]
    fn failures_that_stay_are_not_repeated() {
        let refused = Outcome { is_worth_retrying: false, ..Outcome::default() };
        assert_eq!(decide(&options(r#"{"retries": 5}"#), 1, &refused), Decision::Finish);
    }
}
