//! What one function does, counted and written down. The handle is made once for each function and
//! kept by whoever runs it: an invocation is a handful of additions to numbers of its own, with no
//! look-up, no lock and no allocation, unless the journal takes an entry.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::allowance::Allowance;
use super::figures::FunctionFigures;
use super::histogram::{Durations, nanos};
use super::{FUNCTION_STATE, GuestLevel, InvocationFigures, Journal, JournalEntry, JournalEvent};
use crate::{Blame, FailureKind, RequestId, Target, TargetKind};

/// Where the host's rooms report about one function. Cheap to clone.
#[derive(Clone)]
pub struct FunctionObserver {
    shared: Arc<Shared>,
}

struct Shared {
    target: Target,
    journal: Arc<OnceLock<Arc<dyn Journal>>>,
    /// Shared by all functions beyond the bound on functions with figures of their own.
    counts: Arc<Counts>,
    entries_ok: Allowance,
    entries_failed: Allowance,
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) ok: AtomicU64,
    pub(super) failed: [AtomicU64; FailureKind::ALL.len()],
    pub(super) cold_starts: AtomicU64,
    pub(super) boots: AtomicU64,
    pub(super) cpu_nanos: AtomicU64,
    pub(super) memory_bytes_peak: AtomicU64,
    pub(super) lines: AtomicU64,
    pub(super) lines_dropped: AtomicU64,
    pub(super) duration: Durations,
    pub(super) queue_wait: Durations,
}

/// How an invocation ended.
#[derive(Debug)]
pub struct InvocationEnd<'a> {
    pub request_id: RequestId,
    pub version: Option<u64>,
    /// Of the head that was sent, if one was.
    pub status: Option<u16>,
    /// `None` when the function answered itself.
    pub failure: Option<(FailureKind, &'a str)>,
    pub queue_wait: Duration,
    pub duration: Duration,
    pub cpu: Duration,
    pub memory_bytes: u64,
    /// It waited for a worker to boot.
    pub cold: bool,
}

impl FunctionObserver {
    pub(super) fn new(target: Target, journal: Arc<OnceLock<Arc<dyn Journal>>>, counts: Arc<Counts>) -> Self {
        let began = Instant::now();
        let shared = Shared {
            target,
            journal,
            counts,
            entries_ok: Allowance::new(began),
            entries_failed: Allowance::new(began),
        };
        Self { shared: Arc::new(shared) }
    }

    pub fn target(&self) -> &Target {
        &self.shared.target
    }

    pub fn invocation(&self, end: &InvocationEnd<'_>) {
        let counts = &self.shared.counts;
        let outcome = match end.failure {
            None => &counts.ok,
            Some((kind, _)) => &counts.failed[kind as usize],
        };
        outcome.fetch_add(1, Ordering::Relaxed);
        if end.cold {
            counts.cold_starts.fetch_add(1, Ordering::Relaxed);
        }
        counts.queue_wait.observe(end.queue_wait);
        counts.duration.observe(end.duration);
        self.memory(end.memory_bytes);
        if let Some((kind, detail)) = end.failure {
            super::record::log_failure(self.target(), end.request_id, kind, detail, end.duration);
        }
        self.journal_invocation(end);
    }

    /// The engine used so much CPU time for this function, whatever for.
    pub fn cpu(&self, used: Duration) {
        self.shared.counts.cpu_nanos.fetch_add(nanos(used), Ordering::Relaxed);
    }

    /// A worker or instance holds so much memory.
    pub fn memory(&self, bytes: u64) {
        let peak = &self.shared.counts.memory_bytes_peak;
        // Nearly always it is no new peak, and reading leaves the line in every core's cache.
        if bytes > peak.load(Ordering::Relaxed) {
            peak.fetch_max(bytes, Ordering::Relaxed);
        }
    }

    pub fn booted(&self, version: u64, engine: &'static str, duration: Duration) {
        self.shared.counts.boots.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(function = %self.target(), engine, micros = duration.as_micros() as u64, "worker booted");
        self.journal(|target| JournalEntry {
            target,
            version: Some(version),
            request_id: None,
            level: GuestLevel::Info,
            message: "booted",
            event: JournalEvent::Boot { duration },
        });
    }

    /// Said at once: whoever saved the function waits for no request.
    pub fn boot_failed(&self, version: u64, detail: &str) {
        tracing::warn!(target: FUNCTION_STATE, function = %self.target(), version, detail, "function does not start");
    }

    /// The one before did not start.
    pub fn boots_again(&self, version: u64) {
        tracing::info!(target: FUNCTION_STATE, function = %self.target(), version, "function starts again");
    }

    pub fn retired(&self, reason: &'static str) {
        tracing::debug!(function = %self.target(), reason, "worker retired");
        self.journal(|target| JournalEntry {
            target,
            version: None,
            request_id: None,
            level: GuestLevel::Info,
            message: reason,
            event: JournalEvent::Shutdown,
        });
    }

    /// The function wrote to its console, stdout or stderr.
    pub fn line(&self, version: u64, request_id: Option<RequestId>, level: GuestLevel, message: &str) {
        self.shared.counts.lines.fetch_add(1, Ordering::Relaxed);
        super::record::log_guest(self.target(), request_id, level, message);
        self.journal(|target| JournalEntry {
            target,
            version: Some(version),
            request_id,
            level,
            message,
            event: JournalEvent::Line,
        });
    }

    /// The function logged faster than its bound; so many lines are gone.
    pub fn lines_dropped(&self, lines: u64) {
        self.shared.counts.lines_dropped.fetch_add(lines, Ordering::Relaxed);
        tracing::warn!(function = %self.target(), lines, "function logs too fast; lines were dropped");
        let message = format!("{lines} lines were logged too fast and dropped");
        self.journal(|target| JournalEntry {
            target,
            version: None,
            request_id: None,
            level: GuestLevel::Warn,
            message: &message,
            event: JournalEvent::Line,
        });
    }

    /// What was counted so far.
    pub fn figures(&self) -> FunctionFigures {
        FunctionFigures::read(&self.shared.target, &self.shared.counts)
    }

    fn journal_invocation(&self, end: &InvocationEnd<'_>) {
        if self.journal_kept().is_none() {
            return;
        }
        let allowance =
            if end.failure.is_none() { &self.shared.entries_ok } else { &self.shared.entries_failed };
        let Some(left_out) = allowance.take() else { return };
        let failure = end.failure.map(|(kind, _)| kind);
        let status = end.status.or(failure.map(|kind| kind.status().as_u16())).unwrap_or_default();
        self.journal(|target| JournalEntry {
            target,
            version: end.version,
            request_id: Some(end.request_id),
            level: match failure.map(FailureKind::blame) {
                None => GuestLevel::Info,
                Some(Blame::Client) => GuestLevel::Warn,
                Some(Blame::Guest | Blame::Host | Blame::Upstream) => GuestLevel::Error,
            },
            message: end.failure.map_or("", |(_, detail)| detail),
            event: JournalEvent::Invocation(InvocationFigures {
                status,
                failure,
                duration: end.duration,
                queue_wait: end.queue_wait,
                cpu: end.cpu,
                memory_bytes: end.memory_bytes,
                left_out,
            }),
        });
    }

    /// Functions that ship with the host have no author who reads their log.
    fn journal_kept(&self) -> Option<&Arc<dyn Journal>> {
        self.shared.journal.get().filter(|_| self.target().kind() == TargetKind::User)
    }

    fn journal<'a>(&'a self, entry: impl FnOnce(&'a Target) -> JournalEntry<'a>) {
        if let Some(journal) = self.journal_kept() {
            journal.write(entry(self.target()));
        }
    }
}
