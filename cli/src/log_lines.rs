//! The log as the Management API sends it: lines as they come, and what of them was shown.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::{Buf, Bytes, BytesMut};
use chrono::{DateTime, Utc};
use http::Response;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use isobase_base::limits::FUNCTION_LOG_FOLLOW_BEAT;
use isobase_logs::OVERLAP;
use serde_json::Value;

/// A host that is silent for longer has died without a word.
const SILENCE_MAX: Duration = FUNCTION_LOG_FOLLOW_BEAT.saturating_mul(3);
/// A line is an entry, whose message has 10,000 bytes at most, each six characters at most.
const LINE_BYTES_MAX: usize = 256 * 1024;

/// An answer, line by line.
pub(crate) struct LogLines {
    body: Incoming,
    /// Came, and was not handed out yet.
    rest: BytesMut,
    /// How much of it has no line's end.
    searched: usize,
    from: Option<DateTime<Utc>>,
}

/// What was shown already, as far as a host may send it again after a break.
#[derive(Default)]
pub(crate) struct Shown {
    /// What is older was left out on purpose.
    floor: Option<DateTime<Utc>>,
    newest: Option<DateTime<Utc>>,
    recent: BTreeMap<u64, DateTime<Utc>>,
}

impl LogLines {
    pub(crate) fn new(response: Response<Incoming>) -> Self {
        let from = response.headers().get("x-isobase-log-from").and_then(|from| from.to_str().ok());
        let from = from.and_then(|from| from.parse().ok());
        Self { body: response.into_body(), rest: BytesMut::new(), searched: 0, from }
    }

    /// From when on the host sends everything; of an answer that goes on.
    pub(crate) fn from(&self) -> Option<DateTime<Utc>> {
        self.from
    }

    /// The next line that is not empty, without its end; `None` when the host has ended the answer.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        loop {
            while let Some(line) = self.take_line() {
                if !line.is_empty() {
                    return Ok(Some(line));
                }
            }
            if self.rest.len() > LINE_BYTES_MAX {
                bail!("a line is longer than {LINE_BYTES_MAX} bytes");
            }
            let frame = tokio::time::timeout(SILENCE_MAX, self.body.frame()).await;
            match frame.with_context(|| format!("nothing came for {} s", SILENCE_MAX.as_secs()))? {
                Some(Ok(frame)) => self.rest.extend(frame.into_data().ok()),
                Some(Err(error)) => return Err(error.into()),
                None if self.rest.is_empty() => return Ok(None),
                None => bail!("it ended within a line"),
            }
        }
    }

    fn take_line(&mut self) -> Option<Bytes> {
        let Some(end) = self.rest[self.searched..].iter().position(|byte| *byte == b'\n') else {
            self.searched = self.rest.len();
            return None;
        };
        let line = self.rest.split_to(self.searched + end).freeze();
        self.rest.advance(1);
        self.searched = 0;
        Some(line)
    }
}

impl Shown {
    /// The host has everything from this time on.
    pub(crate) fn begins(&mut self, from: Option<DateTime<Utc>>) {
        self.floor = self.floor.or(from);
    }

    /// From when on to ask for more: entries of several hosts come out of order, by [`OVERLAP`] at most.
    pub(crate) fn from(&self) -> Option<DateTime<Utc>> {
        let begin = self.newest.map(|newest| newest - OVERLAP);
        begin.max(self.floor)
    }

    /// Whether the entry was not shown before; it counts as shown from now on.
    pub(crate) fn is_new(&mut self, entry: &Value) -> bool {
        let time = entry["timestamp"].as_str().and_then(|time| time.parse::<DateTime<Utc>>().ok());
        let (Some(sequence), Some(time)) = (entry["sequence"].as_u64(), time) else { return true };
        if self.recent.insert(sequence, time).is_some() {
            return false;
        }
        self.newest = self.newest.max(Some(time));
        let begin = self.newest.unwrap_or(time) - OVERLAP;
        self.recent.retain(|_, shown_at| *shown_at >= begin);
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Shown;

    #[test]
    fn what_comes_again_after_a_break_is_not_new() {
        let mut shown = Shown::default();
        let entry = |sequence: u64, second: u64| json!({ "sequence": sequence, "timestamp": format!("2026-01-31T12:00:{second:02}Z") });
        assert_eq!(shown.from(), None);
        shown.begins(Some("2026-01-31T12:00:01Z".parse().unwrap()));
        assert!(shown.is_new(&entry(1, 2)) && shown.is_new(&entry(3, 5)) && shown.is_new(&entry(2, 5)));
        assert_eq!(shown.from(), Some("2026-01-31T12:00:01Z".parse().unwrap()));
        assert!(!shown.is_new(&entry(3, 5)) && !shown.is_new(&entry(1, 2)));
        assert!(shown.is_new(&entry(4, 20)));
        assert_eq!(shown.from(), Some("2026-01-31T12:00:10Z".parse().unwrap()));
        assert_eq!(shown.recent.len(), 1, "what cannot come again is forgotten");
    }
}
