//! The messages of one delivery, and the body they are handed over in.

use isobase_base::limits::QUEUE_DELIVERY_BYTES_MAX;
use serde::Serialize;
use serde_json::value::RawValue;

/// Which message, and by which of its attempts it is held: a later one fences this one off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) id: i64,
    /// How often it was claimed, this time included.
    pub(super) attempts: i32,
}

/// A message that this host has claimed.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) claim: Claim,
    /// RFC 3339, in UTC.
    pub(super) enqueued_at: String,
    pub(super) headers: Option<Box<RawValue>>,
    pub(super) body: Box<RawValue>,
}

impl Claimed {
    fn bytes(&self) -> usize {
        self.body.get().len() + self.headers.as_ref().map_or(0, |headers| headers.get().len())
    }
}

/// The first messages of `claimed` that make one delivery; at least one, if there is any.
pub(super) fn next(claimed: &mut Vec<Claimed>, size_max: usize) -> Vec<Claimed> {
    let (mut count, mut bytes) = (0, 0);
    for message in claimed.iter().take(size_max.max(1)) {
        bytes += message.bytes();
        if count > 0 && bytes > QUEUE_DELIVERY_BYTES_MAX {
            break;
        }
        count += 1;
    }
    claimed.drain(..count).collect()
}

#[derive(Serialize)]
struct Delivery<'a> {
    queue: &'a str,
    messages: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    id: i64,
    attempts: i32,
    enqueued_at: &'a str,
    idempotency_key: String,
    headers: Option<&'a RawValue>,
    body: &'a RawValue,
}

impl<'a> Entry<'a> {
    fn of(queue: &str, message: &'a Claimed) -> Self {
        Self {
            id: message.claim.id,
            attempts: message.claim.attempts,
            enqueued_at: &message.enqueued_at,
            idempotency_key: format!("{queue}:{}", message.claim.id),
            headers: message.headers.as_deref(),
            body: &message.body,
        }
    }
}

/// JSON: `{queue, messages: [{id, attempts, enqueued_at, idempotency_key, headers, body}]}`. Messages are
/// copied as the text they are.
pub(super) fn body(queue: &str, messages: &[Claimed]) -> Vec<u8> {
    let delivery =
        Delivery { queue, messages: messages.iter().map(|message| Entry::of(queue, message)).collect() };
    serde_json::to_vec(&delivery).expect("names and JSON can be written as JSON")
}

#[cfg(test)]
mod tests {
    use super::{Claim, Claimed, body, next};
    use serde_json::value::RawValue;

    fn claimed(id: i64, text: &str) -> Claimed {
        Claimed {
            claim: Claim { id, attempts: 2 },
            enqueued_at: "2026-01-01T00:00:00Z".into(),
            headers: (id == 1).then(|| RawValue::from_string(r#"{"h":1}"#.into()).unwrap()),
            body: RawValue::from_string(text.into()).unwrap(),
        }
    }

    #[test]
    fn the_body_holds_each_message_as_it_is() {
        let body =
            String::from_utf8(body("mails", &[claimed(1, r#"{"b" : 1.50}"#), claimed(2, "null")])).unwrap();
        assert_eq!(
            body,
            r#"{"queue":"mails","messages":[{"id":1,"attempts":2,"enqueued_at":"2026-01-01T00:00:00Z","idempotency_key":"mails:1","headers":{"h":1},"body":{"b" : 1.50}},{"id":2,"attempts":2,"enqueued_at":"2026-01-01T00:00:00Z","idempotency_key":"mails:2","headers":null,"body":null}]}"#
        );
    }

    #[test]
    fn batches_are_cut_by_number_and_by_size() {
        let ids = |batch: Vec<Claimed>| batch.iter().map(|message| message.claim.id).collect::<Vec<_>>();
        let mut all = vec![claimed(1, "1"), claimed(2, "2"), claimed(3, "3")];
        assert_eq!(ids(next(&mut all, 2)), [1, 2]);
        assert_eq!(ids(next(&mut all, 2)), [3]);
        assert!(next(&mut all, 2).is_empty());
        let huge = format!("\"{}\"", "x".repeat(9 << 20));
        let mut all = vec![claimed(1, &huge), claimed(2, &huge), claimed(3, "3")];
        assert_eq!(ids(next(&mut all, 10)), [1]);
        assert_eq!(ids(next(&mut all, 10)), [2, 3]);
    }
}
