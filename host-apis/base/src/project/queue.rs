//! `[queues.<name>]`: which function consumes a queue, and how.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::RangeInclusive;
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

const BATCH_SIZES: RangeInclusive<u64> = 1..=QUEUE_BATCH_SETTING_MAX;
const BATCH_WAITS: RangeInclusive<Duration> = Duration::ZERO..=QUEUE_BATCH_WAIT_SETTING_MAX;
const VISIBILITIES: RangeInclusive<Duration> = Duration::from_secs(1)..=QUEUE_VISIBILITY_SETTING_MAX;
const RETRY_COUNTS: RangeInclusive<u64> = 0..=QUEUE_RETRIES_SETTING_MAX;
const BACKOFFS: RangeInclusive<Duration> = Duration::from_millis(1)..=QUEUE_RETRY_DELAY_MAX;
const CONCURRENCIES: RangeInclusive<u64> = 1..=QUEUE_CONCURRENCY_SETTING_MAX;

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
fn is_queue_name(name: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    (1..=QUEUE_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_allowed) && !name.contains("--")
}

fn queue(mut section: Section<'_>) -> Option<QueueSettings> {
    let function = section.parsed("function", FUNCTION, |text| FunctionSlug::parse(text).ok());
    let dead_letter_queue = section
        .parsed("dead_letter_queue", NAME_EXPECTED, |text| is_queue_name(text).then(|| text.to_owned()));
    let wait_max = BATCH_WAITS.end().as_millis() as u64;
    let backoff = section.duration("retry_backoff", BACKOFFS);
    let visibility = section.duration("visibility_timeout", VISIBILITIES);
    let number = |number: Option<u64>, default: usize| number.map_or(default, |number| number as usize);
    let batch_size = section.integer("max_batch_size", BATCH_SIZES);
    let concurrency = section.integer("max_concurrency", CONCURRENCIES);
    let retries = section.integer("max_retries", RETRY_COUNTS);
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

/// Whether a version of `slug` may declare `queue`: the bounds that settings have.
pub(super) fn check(name: &str, queue: &QueueSettings, slug: &FunctionSlug) -> Result<(), String> {
    if !is_queue_name(name) || queue.dead_letter_queue.as_ref().is_some_and(|name| !is_queue_name(name)) {
        return Err(
            "a queue's name has at most 47 lower-case letters, digits, underscores and hyphens".into()
        );
    }
    if queue.function != *slug {
        return Err(format!("names the function {}, and is declared by {slug}", queue.function));
    }
    within("max_batch_size", queue.max_batch_size as u64, BATCH_SIZES)?;
    within("max_concurrency", queue.max_concurrency as u64, CONCURRENCIES)?;
    within("max_retries", queue.max_retries.into(), RETRY_COUNTS)?;
    within("max_batch_timeout", queue.max_batch_timeout, BATCH_WAITS)?;
    within("visibility_timeout", queue.visibility_timeout, VISIBILITIES)?;
    within("retry_backoff", queue.retry_backoff, BACKOFFS)
}

fn within<T: PartialOrd + Debug>(key: &str, value: T, range: RangeInclusive<T>) -> Result<(), String> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(format!("{key} is {value:?}, expected {:?} to {:?}", range.start(), range.end()))
}
