//! An entry on its way to the table, and one that was read from it.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use isobase_base::FunctionSlug;
use isobase_base::limits::GUEST_LOG_LINE_BYTES_MAX;
use isobase_base::observe::{GuestLevel, InvocationFigures, JournalEntry, JournalEvent};
use tokio_postgres::Row;
use uuid::Uuid;

/// What waits to be written.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) logged_at: SystemTime,
    pub(crate) function: FunctionSlug,
    pub(crate) event: JournalEvent,
    pub(crate) level: GuestLevel,
    pub(crate) version: Option<i64>,
    pub(crate) request_id: Option<Uuid>,
    pub(crate) message: String,
}

impl Entry {
    pub(crate) fn of(entry: &JournalEntry<'_>) -> Self {
        let message = &entry.message[..entry.message.floor_char_boundary(GUEST_LOG_LINE_BYTES_MAX)];
        Self {
            logged_at: SystemTime::now(),
            function: entry.target.slug().clone(),
            event: entry.event.clone(),
            level: entry.level,
            version: entry.version.and_then(|version| i64::try_from(version).ok()),
            request_id: entry.request_id.map(Uuid::from),
            // Postgres' text holds any character but this one.
            message: message.replace('\0', "\u{fffd}"),
        }
    }

    pub(crate) fn event_name(&self) -> &'static str {
        match self.event {
            JournalEvent::Line => "line",
            JournalEvent::Invocation(_) => "invocation",
            JournalEvent::Boot { .. } => "boot",
            JournalEvent::Shutdown => "shutdown",
        }
    }

    pub(crate) fn duration_micros(&self) -> Option<i64> {
        match &self.event {
            JournalEvent::Invocation(figures) => Some(micros(figures.duration)),
            JournalEvent::Boot { duration } => Some(micros(*duration)),
            JournalEvent::Line | JournalEvent::Shutdown => None,
        }
    }

    pub(crate) fn figures(&self) -> Option<&InvocationFigures> {
        match &self.event {
            JournalEvent::Invocation(figures) => Some(figures),
            JournalEvent::Line | JournalEvent::Boot { .. } | JournalEvent::Shutdown => None,
        }
    }
}

pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// One row of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedEntry {
    pub sequence: i64,
    pub logged_at: DateTime<Utc>,
    pub function: String,
    pub level: String,
    pub version: Option<i64>,
    pub request_id: Option<Uuid>,
    /// A line, or why an invocation failed.
    pub message: String,
    pub event: EntryEvent,
}

/// What a row is about.
#[derive(Clone, Debug, PartialEq)]
pub enum EntryEvent {
    Line,
    Boot {
        duration: Duration,
    },
    Shutdown,
    Invocation {
        status: u16,
        /// The reason, as in the metrics; `None` when the function answered itself.
        failure: Option<String>,
        duration: Duration,
        queue_wait: Duration,
        cpu: Duration,
        memory_bytes: u64,
        left_out: u64,
    },
}

/// The columns that [`LoggedEntry`] is read from, in its order.
pub(crate) const COLUMNS: &str = "sequence, logged_at, function, level, version, request_id, message, event, \
    status, failure, duration_micros, queue_micros, cpu_micros, memory_bytes, left_out";

impl From<&Row> for LoggedEntry {
    fn from(row: &Row) -> Self {
        let number =
            |column| u64::try_from(row.get::<_, Option<i64>>(column).unwrap_or_default()).unwrap_or_default();
        let duration = |column| Duration::from_micros(number(column));
        let event = match row.get(7) {
            "invocation" => EntryEvent::Invocation {
                status: u16::try_from(row.get::<_, Option<i16>>(8).unwrap_or_default()).unwrap_or_default(),
                failure: row.get(9),
                duration: duration(10),
                queue_wait: duration(11),
                cpu: duration(12),
                memory_bytes: number(13),
                left_out: number(14),
            },
            "boot" => EntryEvent::Boot { duration: duration(10) },
            "shutdown" => EntryEvent::Shutdown,
            _ => EntryEvent::Line,
        };
        Self {
            sequence: row.get(0),
            logged_at: row.get(1),
            function: row.get(2),
            level: row.get(3),
            version: row.get(4),
            request_id: row.get(5),
            message: row.get(6),
            event,
        }
    }
}

#[cfg(test)]
mod tests {
    use isobase_base::limits::GUEST_LOG_LINE_BYTES_MAX;
    use isobase_base::observe::{GuestLevel, JournalEntry, JournalEvent};
    use isobase_base::{FunctionSlug, Target};

    use super::Entry;

    #[test]
    fn messages_are_cut_and_made_fit_for_postgres() {
        let target = Target::user(FunctionSlug::parse("hello").unwrap());
        let entry = |message: &str| {
            let event = JournalEvent::Line;
            let level = GuestLevel::Info;
            Entry::of(&JournalEntry {
                target: &target,
                version: None,
                request_id: None,
                level,
                message,
                event,
            })
        };
        assert_eq!(entry("a\0b").message, "a\u{fffd}b");
        // The last character would end beyond the bound.
        let cut = entry(&"€".repeat(GUEST_LOG_LINE_BYTES_MAX)).message;
        assert_eq!(cut.len(), GUEST_LOG_LINE_BYTES_MAX / 3 * 3);
    }
}
