//! Reading the log, once or following it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use deadpool_postgres::Pool;
use isobase_base::FunctionSlug;
use isobase_base::limits::{FUNCTION_LOG_READ_MAX, FUNCTION_LOG_READS_MAX, OPERATOR_READ_TIMEOUT};
use isobase_base::observe::GuestLevel;
use tokio::sync::Semaphore;
use tokio_postgres::types::ToSql;

use crate::entry::COLUMNS;
use crate::{LoggedEntry, LogsError};

/// Entries of several nodes do not arrive in the order of their times, and not in that of their
/// sequence numbers: who follows looks back so far for some that came late.
pub const OVERLAP: Duration = Duration::from_secs(10);

/// Which entries.
#[derive(Clone, Debug)]
pub struct LogQuery {
    /// `None`: of all functions.
    pub function: Option<FunctionSlug>,
    pub since: Option<DateTime<Utc>>,
    /// This one and those above it.
    pub level_min: GuestLevel,
}

/// Reads from any process that has a session. Clones share a bound on reads at once.
#[derive(Clone)]
pub struct LogReader {
    sessions: Pool,
    room: Arc<Semaphore>,
}

/// How far a follower is.
#[derive(Clone, Debug)]
pub struct LogCursor {
    newest: DateTime<Utc>,
    /// What is older was left out on purpose.
    floor: DateTime<Utc>,
    /// Entries within the overlap that were read already.
    seen: BTreeMap<i64, DateTime<Utc>>,
}

impl LogReader {
    pub fn new(sessions: Pool) -> Self {
        Self { sessions, room: Arc::new(Semaphore::new(FUNCTION_LOG_READS_MAX)) }
    }

    /// The newest entries, at most `count` and [`FUNCTION_LOG_READ_MAX`], in the order of their times.
    pub async fn latest(&self, query: &LogQuery, count: u32) -> Result<Vec<LoggedEntry>, LogsError> {
        let sql = format!(
            "select {COLUMNS} from isobase.function_logs \
             where ($1::text is null or function = $1) and level = any($2) and logged_at >= $3 \
             order by logged_at desc, sequence desc limit $4"
        );
        let function = query.function.as_ref().map(FunctionSlug::as_str);
        let since = query.since.unwrap_or(DateTime::UNIX_EPOCH);
        let limit = i64::from(count.min(FUNCTION_LOG_READ_MAX));
        let mut entries = self.read(&sql, &[&function, &query.levels(), &since, &limit]).await?;
        entries.reverse();
        Ok(entries)
    }

    /// Entries that came since the last call with this cursor, at most [`FUNCTION_LOG_READ_MAX`]; call
    /// again until none come.
    pub async fn newer(
        &self,
        query: &LogQuery,
        cursor: &mut LogCursor,
    ) -> Result<Vec<LoggedEntry>, LogsError> {
        let sql = format!(
            "select {COLUMNS} from isobase.function_logs \
             where ($1::text is null or function = $1) and level = any($2) and logged_at >= $3 \
             and sequence <> all($4) order by logged_at, sequence limit $5"
        );
        let function = query.function.as_ref().map(FunctionSlug::as_str);
        let seen: Vec<i64> = cursor.seen.keys().copied().collect();
        let limit = i64::from(FUNCTION_LOG_READ_MAX);
        let begin = cursor.begin();
        let entries = self.read(&sql, &[&function, &query.levels(), &begin, &seen, &limit]).await?;
        cursor.pass(&entries);
        Ok(entries)
    }

    /// Under the bounds on reads. The log may be long, and the sessions are the host's own.
    async fn read(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<LoggedEntry>, LogsError> {
        let _room = self.room.acquire().await.expect("nobody closes it");
        let mut session = self.sessions.get().await?;
        let transaction = session.build_transaction().read_only(true).start().await?;
        let patience = OPERATOR_READ_TIMEOUT.as_millis();
        transaction.batch_execute(&format!("set local statement_timeout = {patience}")).await?;
        let rows = transaction.query(sql, parameters).await?;
        transaction.commit().await?;
        Ok(rows.iter().map(LoggedEntry::from).collect())
    }
}

impl LogQuery {
    fn levels(&self) -> Vec<&'static str> {
        let wanted = GuestLevel::ALL.into_iter().filter(|level| *level >= self.level_min);
        wanted.map(GuestLevel::as_str).collect()
    }
}

impl LogCursor {
    /// Behind all that came before `time`, which may be [`OVERLAP`] before the newest entry that is known:
    /// who goes on after a break leaves out those it knows by their sequence numbers.
    pub fn since(time: DateTime<Utc>) -> Self {
        Self { newest: time, floor: time, seen: BTreeMap::new() }
    }

    /// Behind `entries`, which were read already; with none of them, behind `now`.
    pub fn behind(entries: &[LoggedEntry], now: DateTime<Utc>) -> Self {
        let newest = entries.last().map_or(now, |last| last.logged_at);
        let floor = entries.first().map_or(now - OVERLAP, |first| first.logged_at);
        let mut cursor = Self { newest, floor, seen: BTreeMap::new() };
        cursor.pass(entries);
        cursor
    }

    /// Leaves out what is older than `time`, too.
    #[must_use]
    pub fn not_before(mut self, time: DateTime<Utc>) -> Self {
        self.floor = self.floor.max(time);
        self
    }

    /// The time from which on entries may still come.
    pub fn begin(&self) -> DateTime<Utc> {
        (self.newest - OVERLAP).max(self.floor)
    }

    fn pass(&mut self, entries: &[LoggedEntry]) {
        for entry in entries {
            self.newest = self.newest.max(entry.logged_at);
            self.seen.insert(entry.sequence, entry.logged_at);
        }
        let begin = self.begin();
        self.seen.retain(|_, logged_at| *logged_at >= begin);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{DateTime, Utc};
    use isobase_base::observe::GuestLevel;

    use super::{LogCursor, LogQuery};
    use crate::{EntryEvent, LoggedEntry};

    fn entry(sequence: i64, seconds: u64) -> LoggedEntry {
        LoggedEntry {
            sequence,
            logged_at: DateTime::UNIX_EPOCH + Duration::from_secs(seconds),
            function: "hello".into(),
            level: "info".into(),
            version: None,
            request_id: None,
            message: String::new(),
            event: EntryEvent::Line,
        }
    }

    #[test]
    fn a_cursor_forgets_what_it_need_not_skip_any_more() {
        let mut cursor = LogCursor::behind(&[entry(1, 100), entry(2, 101)], Utc::now());
        assert_eq!(cursor.seen.len(), 2);
        cursor.pass(&[entry(3, 111)]);
        assert_eq!(cursor.seen.keys().collect::<Vec<_>>(), [&2, &3]);
        assert_eq!(cursor.begin(), DateTime::UNIX_EPOCH + Duration::from_secs(101));
    }

    #[test]
    fn what_was_left_out_at_first_does_not_come_later() {
        let cursor = LogCursor::behind(&[entry(8, 100), entry(9, 101)], Utc::now());
        assert_eq!(cursor.begin(), DateTime::UNIX_EPOCH + Duration::from_secs(100));
    }

    #[test]
    fn what_is_older_than_the_time_given_does_not_come() {
        let mut cursor = LogCursor::since(DateTime::UNIX_EPOCH + Duration::from_secs(100));
        assert_eq!(cursor.begin(), DateTime::UNIX_EPOCH + Duration::from_secs(100));
        cursor.pass(&[entry(1, 105)]);
        assert_eq!(cursor.begin(), DateTime::UNIX_EPOCH + Duration::from_secs(100));
        cursor.pass(&[entry(2, 120)]);
        assert_eq!(cursor.begin(), DateTime::UNIX_EPOCH + Duration::from_secs(110));
    }

    #[test]
    fn a_level_includes_those_above_it() {
        let query = LogQuery { function: None, since: None, level_min: GuestLevel::Warn };
        assert_eq!(query.levels(), ["warn", "error"]);
    }
}
