//! Where what functions say and do is written down for their authors, beside the host's own log.

use std::time::Duration;

use super::GuestLevel;
use crate::{FailureKind, RequestId, Target};

/// Takes entries. Called on functions' own threads, so it must not block: what it cannot take it
/// counts and drops.
pub trait Journal: Send + Sync {
    fn write(&self, entry: JournalEntry<'_>);
}

/// One thing to write down.
#[derive(Debug)]
pub struct JournalEntry<'a> {
    pub target: &'a Target,
    /// Of the function; `None` where there was no version to speak of.
    pub version: Option<u64>,
    pub request_id: Option<RequestId>,
    pub level: GuestLevel,
    /// What the function wrote, or why an invocation failed.
    pub message: &'a str,
    pub event: JournalEvent,
}

/// What an entry is about.
#[derive(Clone, Debug, PartialEq)]
pub enum JournalEvent {
    /// The function wrote a line.
    Line,
    /// A worker started.
    Boot { duration: Duration },
    /// A worker takes no more requests.
    Shutdown,
    /// An invocation ended.
    Invocation(InvocationFigures),
}

/// What one invocation cost, and how it ended.
#[derive(Clone, Debug, PartialEq)]
pub struct InvocationFigures {
    /// As sent to the client; of a response that broke off, that of its head.
    pub status: u16,
    pub failure: Option<FailureKind>,
    pub duration: Duration,
    pub queue_wait: Duration,
    /// CPU time until the response had ended.
    pub cpu: Duration,
    /// What the worker, or the instance, held at the end.
    pub memory_bytes: u64,
    /// Entries of the same kind that were left out in the second before this one.
    pub left_out: u64,
}
