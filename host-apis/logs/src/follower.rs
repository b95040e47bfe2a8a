//! Following the log: reads again whenever somebody says that it was written to.

use isobase_base::limits::FUNCTION_LOG_FOLLOW_PAUSE;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::{LogCursor, LogQuery, LogReader, LoggedEntry, LogsError};

/// One who follows. Made by [`LogReader::follow`].
pub struct LogFollower {
    reader: LogReader,
    query: LogQuery,
    cursor: LogCursor,
    changed: watch::Receiver<u64>,
    /// Whether there may be entries that were not read yet.
    is_behind: bool,
    next_read: Instant,
}

impl LogReader {
    /// Entries behind `cursor`, now and as they come. `changed` moves with every `NOTIFY` on
    /// [`crate::CHANNEL`] and whenever some may have been missed.
    pub fn follow(&self, query: LogQuery, cursor: LogCursor, changed: watch::Receiver<u64>) -> LogFollower {
        let reader = self.clone();
        LogFollower { reader, query, cursor, changed, is_behind: true, next_read: Instant::now() }
    }
}

impl LogFollower {
    /// The next entries, at least one; `None` when nobody will say any more that there are some.
    ///
    /// Cancel-safe: a call that is dropped has passed over nothing.
    pub async fn next(&mut self) -> Result<Option<Vec<LoggedEntry>>, LogsError> {
        loop {
            if !self.is_behind {
                if self.changed.changed().await.is_err() {
                    return Ok(None);
                }
                self.is_behind = true;
            }
            tokio::time::sleep_until(self.next_read).await;
            // What is written from here on is either read now or announced again.
            self.changed.mark_unchanged();
            let entries = self.reader.newer(&self.query, &mut self.cursor).await?;
            self.next_read = Instant::now() + FUNCTION_LOG_FOLLOW_PAUSE;
            // After some there may be more than fit.
            self.is_behind = !entries.is_empty();
            if !entries.is_empty() {
                return Ok(Some(entries));
            }
        }
    }
}
