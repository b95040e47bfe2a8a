//! From functions' threads to the table: a bounded queue, one task, COPY.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool_postgres::Pool;
use isobase_base::limits::{
    FUNCTION_LOG_BATCH_MAX, FUNCTION_LOG_BATCH_WAIT, FUNCTION_LOG_DAYS, FUNCTION_LOG_FLUSH_TIMEOUT,
    FUNCTION_LOG_QUEUE_MAX, FUNCTION_LOG_RETRY_MAX, FUNCTION_LOG_RETRY_MIN, FUNCTION_LOG_UPKEEP_INTERVAL,
};
use isobase_base::observe::{Journal, JournalEntry, Observation, Observer};
use isobase_base::task::{self, TaskKind};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, timeout_at};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_util::sync::CancellationToken;

use crate::days::DayTables;
use crate::entry::{Entry, micros};
use crate::{CHANNEL, LogsError};

/// How the log is kept.
#[derive(Clone, Copy, Debug)]
pub struct LogsConfig {
    /// Today included.
    pub days_kept: u32,
}

impl Default for LogsConfig {
    fn default() -> Self {
        Self { days_kept: FUNCTION_LOG_DAYS }
    }
}

/// Takes what functions say and do.
pub struct FunctionLogs {
    queue: mpsc::Sender<Entry>,
    dropped: Arc<AtomicU64>,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl FunctionLogs {
    /// Starts to write. Must be called inside a tokio runtime.
    pub fn start(sessions: Pool, config: LogsConfig, observer: Observer) -> Arc<Self> {
        let (queue, entries) = mpsc::channel(FUNCTION_LOG_QUEUE_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let stop = CancellationToken::new();
        let writer = Writer {
            tables: DayTables::new(sessions.clone(), config.days_kept),
            sessions,
            observer,
            dropped: dropped.clone(),
            stop: stop.clone(),
        };
        let task = task::spawn(TaskKind::Service, "function logs", writer.run(entries));
        Arc::new(Self { queue, dropped, stop, task: Mutex::new(Some(task)) })
    }

    /// Writes what is in the queue, if that does not take long, and ends.
    pub async fn stop(&self) {
        self.stop.cancel();
        if let Some(task) = self.task.lock().await.take() {
            // A panic has been told by the task's own guard.
            _ = task.await;
        }
    }
}

impl Journal for FunctionLogs {
    fn write(&self, entry: JournalEntry<'_>) {
        // Looked at first: an entry costs an allocation, and a full queue is a busy host.
        let sent = match self.queue.try_reserve() {
            Ok(place) => {
                place.send(Entry::of(&entry));
                true
            }
            Err(_) => false,
        };
        if !sent {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Writer {
    sessions: Pool,
    tables: DayTables,
    observer: Observer,
    dropped: Arc<AtomicU64>,
    stop: CancellationToken,
}

const COPY: &str = "copy isobase.function_logs (logged_at, function, event, level, version, request_id, message, \
    status, failure, duration_micros, queue_micros, cpu_micros, memory_bytes, left_out) from stdin binary";
const TYPES: &[Type] = &[
    Type::TIMESTAMPTZ,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::INT8,
    Type::UUID,
    Type::TEXT,
    Type::INT2,
    Type::TEXT,
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::INT8,
];

impl Writer {
    async fn run(mut self, mut entries: mpsc::Receiver<Entry>) {
        let mut upkeep = tokio::time::interval(FUNCTION_LOG_UPKEEP_INTERVAL);
        upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(FUNCTION_LOG_BATCH_MAX);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                _ = upkeep.tick() => self.keep_up().await,
                _ = entries.recv_many(&mut batch, FUNCTION_LOG_BATCH_MAX) => {
                    self.gather(&mut entries, &mut batch).await;
                    self.write_at_last(&batch).await;
                    batch.clear();
                }
            }
            self.report_dropped();
        }
        self.flush(entries).await;
        self.report_dropped();
    }

    /// Waits a little for more entries, so that a trickle of lines is no trickle of transactions.
    async fn gather(&self, entries: &mut mpsc::Receiver<Entry>, batch: &mut Vec<Entry>) {
        let until = Instant::now() + FUNCTION_LOG_BATCH_WAIT;
        while batch.len() < FUNCTION_LOG_BATCH_MAX && !self.stop.is_cancelled() {
            let room = FUNCTION_LOG_BATCH_MAX - batch.len();
            if timeout_at(until, entries.recv_many(batch, room)).await.is_err() {
                break;
            }
        }
    }

    /// Repeats until it is written, is hopeless, or the host stops. The queue holds what comes
    /// meanwhile, and then drops it.
    async fn write_at_last(&mut self, batch: &[Entry]) {
        let mut pause = FUNCTION_LOG_RETRY_MIN;
        let mut told = false;
        loop {
            let error = match self.write(batch).await {
                Ok(()) => return,
                Err(error) => error,
            };
            if error.is_missing_day() {
                self.tables.forget();
            } else if !error.may_retry() {
                self.lost(batch.len(), &error);
                return;
            } else if !std::mem::replace(&mut told, true) {
                tracing::warn!(%error, "the functions' log cannot be written; trying again");
            }
            self.report_dropped();
            if self.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                // The flush is the last attempt for all that is left.
                if let Err(error) = self.write_within(batch, FUNCTION_LOG_FLUSH_TIMEOUT).await {
                    self.lost(batch.len(), &error);
                }
                return;
            }
            pause = (pause * 2).min(FUNCTION_LOG_RETRY_MAX);
        }
    }

    async fn flush(&mut self, mut entries: mpsc::Receiver<Entry>) {
        entries.close();
        let mut batch = Vec::new();
        while entries.recv_many(&mut batch, FUNCTION_LOG_BATCH_MAX).await > 0 {
            if let Err(error) = self.write_within(&batch, FUNCTION_LOG_FLUSH_TIMEOUT).await {
                self.lost(batch.len() + entries.len(), &error);
                return;
            }
            batch.clear();
        }
    }

    async fn write_within(&mut self, batch: &[Entry], patience: Duration) -> Result<(), String> {
        match tokio::time::timeout(patience, self.write(batch)).await {
            Ok(written) => written.map_err(|error| error.to_string()),
            Err(_) => Err(format!("it took longer than {patience:?}")),
        }
    }

    async fn write(&mut self, batch: &[Entry]) -> Result<(), LogsError> {
        self.tables.ensure(batch.iter().map(|entry| entry.logged_at)).await?;
        let mut session = self.sessions.get().await?;
        let transaction = session.transaction().await?;
        // Nobody was promised that a line is durable, so none waits for the disk.
        transaction.batch_execute("set local synchronous_commit = off").await?;
        let sink = transaction.copy_in(COPY).await?;
        let mut rows = std::pin::pin!(BinaryCopyInWriter::new(sink, TYPES));
        for entry in batch {
            let figures = entry.figures();
            let status = figures.and_then(|figures| i16::try_from(figures.status).ok());
            let failure = figures.and_then(|figures| figures.failure).map(|kind| kind.reason());
            let bytes = figures.map(|figures| i64::try_from(figures.memory_bytes).unwrap_or(i64::MAX));
            let left_out = figures.map(|figures| i64::try_from(figures.left_out).unwrap_or(i64::MAX));
            let row: [&(dyn ToSql + Sync); 14] = [
                &entry.logged_at,
                &entry.function.as_str(),
                &entry.event_name(),
                &entry.level.as_str(),
                &entry.version,
                &entry.request_id,
                &entry.message,
                &status,
                &failure,
                &entry.duration_micros(),
                &figures.map(|figures| micros(figures.queue_wait)),
                &figures.map(|figures| micros(figures.cpu)),
                &bytes,
                &left_out,
            ];
            rows.as_mut().write(&row).await?;
        }
        rows.finish().await?;
        transaction.batch_execute(&format!("notify {CHANNEL}")).await?;
        Ok(transaction.commit().await?)
    }

    async fn keep_up(&mut self) {
        if let Err(error) = self.tables.keep_up().await {
            tracing::warn!(%error, "old days of the functions' log stay until the next attempt");
        }
    }

    fn lost(&self, entries: usize, error: &dyn std::fmt::Display) {
        tracing::warn!(entries, %error, "entries of the functions' log are lost");
        let entries = entries as u64;
        self.observer.record(Observation::FunctionLogDropped { event: "not_written", entries });
    }

    fn report_dropped(&self) {
        let entries = self.dropped.swap(0, Ordering::Relaxed);
        if entries > 0 {
            tracing::warn!(entries, "functions log faster than Postgres takes it; entries were dropped");
            self.observer.record(Observation::FunctionLogDropped { event: "queue_full", entries });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use deadpool_postgres::{Manager, Pool};
    use isobase_base::limits::FUNCTION_LOG_QUEUE_MAX;
    use isobase_base::observe::{GuestLevel, Observer};
    use isobase_base::{FunctionSlug, Target};
    use tokio_postgres::{Config, NoTls};

    use super::{FunctionLogs, LogsConfig};

    /// A pool whose server does not exist.
    fn nowhere() -> Pool {
        let mut config = Config::new();
        config.host("/nonexistent/folder").user("nobody");
        Pool::builder(Manager::new(config, NoTls)).max_size(1).build().unwrap()
    }

    #[tokio::test]
    async fn without_a_database_entries_are_dropped_and_counted_and_nobody_waits() {
        let observer = Observer::default();
        let logs = FunctionLogs::start(nowhere(), LogsConfig::default(), observer.clone());
        observer.keep_journal(logs.clone());
        let function = observer.function(&Target::user(FunctionSlug::parse("talk").unwrap()));
        let write = |count: usize| {
            for _ in 0..count {
                function.line(1, None, GuestLevel::Info, "hello");
            }
        };
        write(FUNCTION_LOG_QUEUE_MAX + 50);
        let counted = "function_log_entries_dropped_total{event=\"queue_full\"}";
        let until = Instant::now() + Duration::from_secs(30);
        while !observer.openmetrics().contains(counted) {
            assert!(Instant::now() < until, "{}", observer.openmetrics());
            tokio::time::sleep(Duration::from_millis(5)).await;
            // The writer may have taken a batch out of the queue before it was full.
            write(50);
        }
        logs.stop().await;
        let text = observer.openmetrics();
        assert!(text.contains("function_log_entries_dropped_total{event=\"not_written\"}"), "{text}");
    }
}
