//! The tables of single days: made before they are needed, dropped when they are old.

use std::collections::BTreeSet;
use std::time::SystemTime;

use chrono::{DateTime, Days, NaiveDate, Utc};
use deadpool_postgres::{Pool, Transaction};
use isobase_base::limits::FUNCTION_LOG_LOCK_TIMEOUT;

use crate::LogsError;

/// Nodes that share a database make and drop tables one after another.
const ADVISORY_LOCK: i64 = 0x6973_6f6c_6f67_7301;
const PREFIX: &str = "function_logs_";
const SUFFIX: &str = "%Y%m%d";

/// Which days have a table, as far as this node knows.
pub(crate) struct DayTables {
    sessions: Pool,
    days_kept: u32,
    known: BTreeSet<NaiveDate>,
}

impl DayTables {
    pub(crate) fn new(sessions: Pool, days_kept: u32) -> Self {
        Self { sessions, days_kept, known: BTreeSet::new() }
    }

    /// Makes sure that entries of these times have a place.
    pub(crate) async fn ensure(&mut self, times: impl Iterator<Item = SystemTime>) -> Result<(), LogsError> {
        let missing: BTreeSet<_> = times.map(day_of).filter(|day| !self.known.contains(day)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut session = self.sessions.get().await?;
        let transaction = begin(&mut session).await?;
        for day in &missing {
            transaction.batch_execute(&make(*day)).await?;
        }
        transaction.commit().await?;
        self.known.extend(missing);
        Ok(())
    }

    /// Makes tomorrow's table, so that nobody waits for it at midnight, and drops old ones.
    pub(crate) async fn keep_up(&mut self) -> Result<(), LogsError> {
        let now = SystemTime::now();
        let tomorrow = now + std::time::Duration::from_secs(24 * 3600);
        self.ensure([now, tomorrow].into_iter()).await?;
        let oldest = day_of(now) - Days::new(u64::from(self.days_kept.saturating_sub(1)));
        let mut session = self.sessions.get().await?;
        let transaction = begin(&mut session).await?;
        let rows = transaction
            .query(
                "select child.relname::text from pg_inherits join pg_class as child on child.oid = inhrelid \
                 where inhparent = 'isobase.function_logs'::regclass",
                &[],
            )
            .await?;
        let days = rows.iter().filter_map(|row| day_of_table(row.get(0)));
        for day in days.filter(|day| *day < oldest) {
            transaction.batch_execute(&format!("drop table isobase.{}", table(day))).await?;
            self.known.remove(&day);
            tracing::info!(%day, "the functions' log of a day was dropped");
        }
        Ok(transaction.commit().await?)
    }

    /// Somebody dropped a table that was known.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }
}

/// Both take a lock that every reader of the log stands in the way of, so they give up soon.
async fn begin(session: &mut deadpool_postgres::Object) -> Result<Transaction<'_>, LogsError> {
    let transaction = session.transaction().await?;
    let patience = FUNCTION_LOG_LOCK_TIMEOUT.as_millis();
    transaction
        .batch_execute(&format!(
            "set local lock_timeout = {patience}; select pg_advisory_xact_lock({ADVISORY_LOCK})"
        ))
        .await?;
    Ok(transaction)
}

fn make(day: NaiveDate) -> String {
    let next = day + Days::new(1);
    format!(
        "create table if not exists isobase.{} partition of isobase.function_logs \
         for values from ('{day} 00:00:00+00') to ('{next} 00:00:00+00')",
        table(day)
    )
}

fn day_of(time: SystemTime) -> NaiveDate {
    DateTime::<Utc>::from(time).date_naive()
}

fn table(day: NaiveDate) -> String {
    format!("{PREFIX}{}", day.format(SUFFIX))
}

fn day_of_table(name: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(name.strip_prefix(PREFIX)?, SUFFIX).ok()
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::{day_of_table, make, table};

    #[test]
    fn a_table_is_named_by_its_day_and_ends_where_the_next_begins() {
        let day = NaiveDate::from_ymd_opt(2028, 2, 29).unwrap();
        assert_eq!(table(day), "function_logs_20280229");
        assert_eq!(day_of_table("function_logs_20280229"), Some(day));
        assert_eq!(day_of_table("function_logs_by_hand"), None);
        assert!(make(day).ends_with("from ('2028-02-29 00:00:00+00') to ('2028-03-01 00:00:00+00')"));
    }
}
