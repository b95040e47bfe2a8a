//! Outcomes on their way into the database, many in one transaction.

use std::time::Duration;

use deadpool_postgres::{GenericClient, Pool};
use isobase_base::limits::{OUTBOUND_FINISH_BYTES_MAX, OUTBOUND_FINISH_ROWS_MAX, OUTBOUND_PAUSE};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::decision::Decision;
use super::delivery::Outcome;
use super::queue::QueueError;

/// One attempt that ended.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) id: i64,
    /// Whose lease it was sent under. A row that somebody else has taken since is not touched.
    pub(super) worker: i32,
    /// Counting this one.
    pub(super) attempts: i32,
    pub(super) outcome: Outcome,
    pub(super) decision: Decision,
}

const ANSWER: &str = "
with answered as (
  select * from unnest($1::int8[], $2::int4[], $3::int4[], $4::text[], $5::jsonb[], $6::text[], $7::bytea[],
    $8::bool[], $9::text[], $10::int4[], $11::int4[], $12::bool[])
    as answered (id, worker, status_code, content_type, headers, content, content_bytes,
      timed_out, error_msg, attempts, duration_ms, is_dead)
),
gone as (
  delete from net.http_request_queue as queue using answered
  where queue.id = answered.id and queue.leased_by = answered.worker and queue.state = 'sending'
  returning queue.*
),
dead as (
  insert into net.http_dead_letter
    (id, method, url, headers, body, timeout_milliseconds, options, attempts, last_error, created)
  select gone.id, gone.method, gone.url, gone.headers, gone.body, gone.timeout_milliseconds, gone.options,
    answered.attempts, coalesce(answered.error_msg, 'status ' || answered.status_code), gone.created
  from gone join answered on answered.id = gone.id where answered.is_dead
  on conflict (id) do nothing
)
insert into net._http_response
  (id, status_code, content_type, headers, content, content_bytes, timed_out, error_msg, attempts, duration_ms)
select answered.id, answered.status_code, answered.content_type, answered.headers, answered.content,
  answered.content_bytes, answered.timed_out, answered.error_msg, answered.attempts, answered.duration_ms
from answered join gone on gone.id = answered.id";

const RETRY: &str = "
update net.http_request_queue as queue
set state = 'waiting', leased_by = null, attempts = failed.attempts, last_error = failed.error,
    next_attempt_at = clock_timestamp() + failed.pause * interval '1 ms'
from unnest($1::int8[], $2::int4[], $3::int4[], $4::text[], $5::float8[])
  as failed (id, worker, attempts, error, pause)
where queue.id = failed.id and queue.leased_by = failed.worker and queue.state = 'sending'";

/// Writes what arrives until all senders are gone. After `hurry` a database that is down is not waited
/// for: the leases end by themselves.
pub(super) async fn write(pool: Pool, mut finished: mpsc::Receiver<Finished>, hurry: CancellationToken) {
    let mut batch: Vec<Finished> = Vec::new();
    while let Some(first) = finished.recv().await {
        let mut bytes = first.outcome.body_bytes();
        batch.push(first);
        while batch.len() < OUTBOUND_FINISH_ROWS_MAX && bytes < OUTBOUND_FINISH_BYTES_MAX {
            let Ok(next) = finished.try_recv() else { break };
            bytes += next.outcome.body_bytes();
            batch.push(next);
        }
        let mut reported = false;
        while let Err(error) = store(&pool, &batch).await {
            if hurry.is_cancelled() {
                break;
            }
            if !reported {
                tracing::warn!(%error, cause = ?std::error::Error::source(&error), "outcomes of requests cannot be written; trying again");
                reported = true;
            }
            tokio::time::sleep(OUTBOUND_PAUSE).await;
        }
        batch.clear();
    }
}

async fn store(pool: &Pool, batch: &[Finished]) -> Result<(), QueueError> {
    let session = pool.get().await?;
    let (again, done): (Vec<&Finished>, Vec<&Finished>) =
        batch.iter().partition(|finished| matches!(finished.decision, Decision::RetryAfter(_)));
    if !done.is_empty() {
        let statement = session.prepare_cached(ANSWER).await?;
        let of = |finished: &&Finished| finished.id;
        let ids: Vec<i64> = done.iter().map(of).collect();
        let workers: Vec<i32> = done.iter().map(|one| one.worker).collect();
        let statuses: Vec<Option<i32>> = done.iter().map(|one| one.outcome.status.map(i32::from)).collect();
        let types: Vec<Option<&str>> = done.iter().map(|one| one.outcome.content_type.as_deref()).collect();
        let headers: Vec<Option<&Value>> = done.iter().map(|one| one.outcome.headers.as_ref()).collect();
        let texts: Vec<Option<&str>> = done.iter().map(|one| one.outcome.text.as_deref()).collect();
        let bytes: Vec<Option<&[u8]>> = done.iter().map(|one| one.outcome.bytes.as_deref()).collect();
        let timeouts: Vec<bool> = done.iter().map(|one| one.outcome.timed_out).collect();
        let errors: Vec<Option<&str>> = done.iter().map(|one| one.outcome.error.as_deref()).collect();
        let attempts: Vec<i32> = done.iter().map(|one| one.attempts).collect();
        let durations: Vec<i32> = done.iter().map(|one| milliseconds(one.outcome.duration)).collect();
        let dead: Vec<bool> = done.iter().map(|one| one.decision == Decision::GiveUp).collect();
        session
            .execute(
                &statement,
                &[
                    &ids, &workers, &statuses, &types, &headers, &texts, &bytes, &timeouts, &errors,
                    &attempts, &durations, &dead,
                ],
            )
            .await?;
    }
    if !again.is_empty() {
        let statement = session.prepare_cached(RETRY).await?;
        let ids: Vec<i64> = again.iter().map(|one| one.id).collect();
        let workers: Vec<i32> = again.iter().map(|one| one.worker).collect();
        let attempts: Vec<i32> = again.iter().map(|one| one.attempts).collect();
        let errors: Vec<String> = again.iter().map(|one| one.outcome.in_short()).collect();
        let pauses: Vec<f64> = again.iter().map(|one| pause_milliseconds(one.decision)).collect();
        session.execute(&statement, &[&ids, &workers, &attempts, &errors, &pauses]).await?;
    }
    Ok(())
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

fn pause_milliseconds(decision: Decision) -> f64 {
    match decision {
        Decision::RetryAfter(pause) => pause.as_secs_f64() * 1000.0,
        Decision::Finish | Decision::GiveUp => 0.0,
    }
}
