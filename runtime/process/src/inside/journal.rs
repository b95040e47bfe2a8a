//! The function's log, on its way to the host.

use isobase_base::observe::{GuestLevel, Journal, JournalEntry, JournalEvent};
use tokio::sync::mpsc;

use crate::wire::Report;

pub(super) struct ToHost(mpsc::UnboundedSender<Report>);

impl ToHost {
    /// The engine bounds how much a function logs.
    pub(super) fn new(reports: mpsc::UnboundedSender<Report>) -> Self {
        Self(reports)
    }
}

impl Journal for ToHost {
    fn write(&self, entry: JournalEntry<'_>) {
        // What invocations cost and how they end the host sees itself.
        if entry.event != JournalEvent::Line {
            return;
        }
        let level = GuestLevel::ALL.iter().position(|level| *level == entry.level);
        let line = Report::Line {
            version: entry.version,
            request_id: entry.request_id.map(|id| *uuid::Uuid::from(id).as_bytes()),
            level: level.expect("all levels are listed") as u8,
            message: entry.message.to_owned(),
        };
        // Without a host there is nobody to read it.
        let _ = self.0.send(line);
    }
}
