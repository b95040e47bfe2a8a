//! What a function says of the messages it was handed.

use std::time::Duration;

use serde::Deserialize;

/// A message that is to be delivered again.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Retry {
    pub(super) id: i64,
    /// `None`: the consumer's backoff.
    pub(super) delay: Option<Duration>,
    pub(super) why: Option<String>,
}

/// `{"retry": [{"id", "delay_seconds"?, "reason"?}]}`, or Amazon SQS'
/// `{"batchItemFailures": [{"itemIdentifier"}]}`
/// (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>).
#[derive(Default, Deserialize)]
struct Answer {
    #[serde(default)]
    retry: Vec<Entry>,
    #[serde(default, rename = "batchItemFailures")]
    failures: Vec<Failure>,
}

#[derive(Deserialize)]
struct Entry {
    id: Id,
    delay_seconds: Option<f64>,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "itemIdentifier")]
    id: Id,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Number(i64),
    Text(String),
}

impl Id {
    fn number(&self) -> Result<i64, String> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Text(text) => text.parse().map_err(|_| format!("{text:?} is no id of a message")),
        }
    }
}

/// Reads the body of a successful answer. One that is no JSON object says nothing, and all is well;
/// one that names messages in a way that cannot be read means that some failed and nobody knows which.
pub(super) fn read(body: &[u8]) -> Result<Vec<Retry>, String> {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) else { return Ok(Vec::new()) };
    if !value.is_object() {
        return Ok(Vec::new());
    }
    let answer: Answer = serde_json::from_value(value)
        .map_err(|error| format!("the answer names messages in a way that cannot be read: {error}"))?;
    let mut retries = Vec::with_capacity(answer.retry.len() + answer.failures.len());
    for Entry { id, delay_seconds, reason } in answer.retry {
        let delay = delay_seconds.map(Duration::try_from_secs_f64).transpose();
        let delay = delay.map_err(|_| "delay_seconds is a number that is not negative".to_owned())?;
        retries.push(Retry { id: id.number()?, delay, why: reason });
    }
    for Failure { id } in answer.failures {
        retries.push(Retry { id: id.number()?, delay: None, why: None });
    }
    Ok(retries)
}

#[cfg(test)]
mod tests {
    use super::{Retry, read};
    use std::time::Duration;

    #[test]
    fn both_shapes_are_read() {
        let plain = |id| Retry { id, delay: None, why: None };
        assert_eq!(read(br#"{"retry":[{"id":1},{"id":"2"}]}"#).unwrap(), [plain(1), plain(2)]);
        let delayed = Retry { id: 1, delay: Some(Duration::from_millis(1500)), why: Some("busy".into()) };
        assert_eq!(read(br#"{"retry":[{"id":1,"delay_seconds":1.5,"reason":"busy"}]}"#).unwrap(), [delayed]);
        assert_eq!(read(br#"{"batchItemFailures":[{"itemIdentifier":"7"}]}"#).unwrap(), [plain(7)]);
    }

    #[test]
    fn other_answers_mean_that_all_is_well() {
        for body in [&b""[..], b"OK", b"{}", b"null", b"[1]", br#"{"sent":3}"#, b"\xff"] {
            assert_eq!(read(body), Ok(Vec::new()), "{body:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_success() {
        for body in [
            r#"{"retry":true}"#,
            r#"{"retry":[{"id":"x"}]}"#,
            r#"{"retry":[{"id":1,"delay_seconds":-1}]}"#,
            r#"{"batchItemFailures":[{}]}"#,
        ] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
