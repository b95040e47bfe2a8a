//! `[queues.<name>]`: which function consumes a queue, and how.

use std::collections::BTreeMap;
use std::time::Duration;

use super::section::{Document, Section};
use super::{Fault, QueueSettings};
use crate::FunctionSlug;
use crate::limits::{
    QUEUE_BATCH_SETTING_MAX, QUEUE_BATCH_WAIT_SETTING_MAX, QUEUE_CONCURRENCY_SETTING_MAX,
    QUEUE_CONSUMERS_MAX, QUEUE_NAME_BYTES_MAX, QUEUE_RETRIES_SETTING_MAX, QUEUE_RETRY_DELAY_MAX,
    QUEUE_VISIBILITY_SETTING_MAX,
};

/// Cloudflare Queues' defaults, except that a message does not wait for company.
const BATCH_SIZE: usize = 10;
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(30);
const RETRIES: u32 = 3;
const RETRY_BACKOFF: Duration = Duration::from_secs(1);
const CONCURRENCY: usize = 10;

/// By name; those that are wrong are told and left out.
pub(super) fn queues(section: &Section<'_>, document: &Document<'_>) -> BTreeMap<String, QueueSettings> {
    let mut queues = BTreeMap::new();
    for (name, line, inner) in section.sections() {
        let fault = |problem: String| {
            document.findings.borrow_mut().faults.push(Fault {
                place: format!("{}:{line}", document.file),
                key: format!("queues.{name}"),
                problem,
            });
        };
        if !is_queue_name(name) {
            fault(format!("expected {NAME_EXPECTED}"));
        } else if queues.len() == QUEUE_CONSUMERS_MAX {
            fault(format!("expected at most {QUEUE_CONSUMERS_MAX} queues"));
        }
        if !inner.has("function") {
            fault(format!("expected function to be {FUNCTION}, found none"));
        }
        if let Some(queue) = queue(inner) {
            queues.insert(name.to_owned(), queue);
        }
    }
    queues
}

const FUNCTION: &str = "the name of a function";
const NAME_EXPECTED: &str = "a name of at most 47 lower-case letters, digits, underscores and hyphens";

/// Stricter than pgmq, whose tables are in lower case whatever the queue is called.
pub(super) fn is_queue_name(name: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    (1..=QUEUE_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_allowed) && !name.contains("--")
}

fn queue(mut section: Section<'_>) -> Option<QueueSettings> {
    let second = Duration::from_secs(1);
    let function = section.parsed("function", FUNCTION, |text| FunctionSlug::parse(text).ok());
    let dead_letter_queue = section
        .parsed("dead_letter_queue", NAME_EXPECTED, |text| is_queue_name(text).then(|| text.to_owned()));
    let wait_max = QUEUE_BATCH_WAIT_SETTING_MAX.as_millis() as u64;
    let backoff = section.duration("retry_backoff", Duration::from_millis(1)..=QUEUE_RETRY_DELAY_MAX);
    let visibility = section.duration("visibility_timeout", second..=QUEUE_VISIBILITY_SETTING_MAX);
    let number = |number: Option<u64>, default: usize| number.map_or(default, |number| number as usize);
    let batch_size = section.integer("max_batch_size", 1..=QUEUE_BATCH_SETTING_MAX);
    let concurrency = section.integer("max_concurrency", 1..=QUEUE_CONCURRENCY_SETTING_MAX);
    let retries = section.integer("max_retries", 0..=QUEUE_RETRIES_SETTING_MAX);
    let batch_wait = section.integer("max_batch_timeout_ms", 0..=wait_max);
    section.finish();
    Some(QueueSettings {
        function: function?,
        max_batch_size: number(batch_size, BATCH_SIZE),
        max_batch_timeout: Duration::from_millis(batch_wait.unwrap_or(0)),
        visibility_timeout: visibility.unwrap_or(VISIBILITY_TIMEOUT),
        max_retries: retries.map_or(RETRIES, |retries| retries as u32),
        retry_backoff: backoff.unwrap_or(RETRY_BACKOFF),
        dead_letter_queue,
        max_concurrency: number(concurrency, CONCURRENCY),
    })
}
