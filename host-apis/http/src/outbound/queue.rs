//! The SQL of the queue: each function is one short transaction.

use std::time::Duration;

use deadpool_postgres::{GenericClient, Object, Pool};
use isobase_base::limits::{OUTBOUND_CLAIM_ROWS_MAX, OUTBOUND_CLEAN_ROWS_MAX, OUTBOUND_LEASE_MARGIN};

use super::claimed::Claimed;
use super::lanes::{Lanes, ROOM_AT_FIRST};

/// `net` in ASCII: the class of the advisory locks that workers hold (`0013_net.sql`).
const LOCK_CLASS: i32 = 0x006e_6574;

/// What a failed transaction is told by.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueueError {
    #[error("no session")]
    Session(#[from] deadpool_postgres::PoolError),
    #[error("a statement failed")]
    Statement(#[from] tokio_postgres::Error),
}

/// A statement over `hosts`: the distinct ones, found by stepping through the index.
macro_rules! over_hosts {
    ($rest:literal) => {
        concat!(
            "
with recursive hosts (host) as (
  (select queue.host from net.http_request_queue as queue order by queue.host limit 1)
  union all
  select (select queue.host from net.http_request_queue as queue
          where queue.host > hosts.host order by queue.host limit 1)
  from hosts where hosts.host is not null
)",
            $rest
        )
    };
}

/// The first due rows of each host that has room, as long as their bodies fit.
const CLAIM: &str = over_hosts!(
    ",
rooms as materialized (
  select hosts.host, coalesce(known.free, $2) as free
  from hosts left join unnest($3::text[], $4::int[]) as known (host, free) on known.host = hosts.host
  where hosts.host is not null and coalesce(known.free, $2) > 0
  order by random()
),
ready as materialized (
  select first.id, first.bytes from rooms, lateral (
    select queue.id, coalesce(octet_length(queue.body), 0) as bytes from net.http_request_queue as queue
    where queue.host = rooms.host and queue.next_attempt_at <= now()
    order by queue.next_attempt_at limit rooms.free
    for update skip locked
  ) as first
  limit $1
),
due as (
  select weighed.id
  from (select id, sum(bytes) over (rows unbounded preceding) - bytes as before from ready) as weighed
  where weighed.before < $7
)
update net.http_request_queue as queue
set state = 'sending', leased_by = $5,
    next_attempt_at = now() + queue.timeout_milliseconds * interval '1 ms' + $6 * interval '1 s'
from due where queue.id = due.id
returning queue.id, queue.method::text, queue.url, queue.host, queue.headers, queue.body,
  queue.timeout_milliseconds, queue.options, queue.attempts"
);

/// Seconds until something is due at a host that has room.
const DUE: &str = over_hosts!(
    "
select extract(epoch from min(first.next_attempt_at) - now())::float8
from hosts, lateral (
  select queue.next_attempt_at from net.http_request_queue as queue
  where queue.host = hosts.host order by queue.next_attempt_at limit 1
) as first
where hosts.host is not null and hosts.host <> all ($1::text[])"
);

/// Leases of workers that are gone.
const REVIVE: &str = "
update net.http_request_queue set state = 'waiting', leased_by = null, next_attempt_at = now()
where state = 'sending' and leased_by not in (select net._workers())";

const GIVE_BACK: &str = "
update net.http_request_queue set state = 'waiting', leased_by = null, next_attempt_at = now()
where state = 'sending' and leased_by = $1";

const CLEAN: &str = "
delete from net._http_response where ctid = any (array(
  select ctid from net._http_response
  where created < now() - net._setting('pg_net.ttl', '7 days')::interval limit $1))";

/// A worker's existence: a session with a lock, which Postgres ends with the worker.
pub(super) struct Presence {
    pub(super) number: i32,
    session: deadpool_postgres::ClientWrapper,
}

impl Presence {
    /// `None` where the database has no queue of ours. Keeps the number it had `before`, if it can: then
    /// the leases under it go on.
    pub(super) async fn announce(pool: &Pool, before: Option<i32>) -> Result<Option<Self>, QueueError> {
        let session = pool.get().await?;
        let ours = "select count(*) = 2 from pg_attribute where attrelid = to_regclass('net.http_request_queue') \
            and attname in ('leased_by', 'next_attempt_at')";
        if !session.query_one(ours, &[]).await?.get::<_, bool>(0) {
            return Ok(None);
        }
        let mut number = before.unwrap_or_else(rand::random);
        loop {
            let row =
                session.query_one("select pg_try_advisory_lock($1, $2)", &[&LOCK_CLASS, &number]).await?;
            if row.get(0) {
                // Out of the pool for good: another user of the session would hold the lock.
                return Ok(Some(Self { number, session: Object::take(session) }));
            }
            number = rand::random();
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.session.is_closed()
    }
}

/// What makes the idempotency keys of this database unlike those of another.
pub(super) async fn key_prefix(pool: &Pool) -> Result<String, QueueError> {
    let session = pool.get().await?;
    let row = session.query_opt("select value from isobase.settings where name = 'net_key'", &[]).await?;
    Ok(row.map_or_else(String::new, |row| row.get(0)))
}

pub(super) async fn claim(pool: &Pool, number: i32, lanes: &Lanes) -> Result<Vec<Claimed>, QueueError> {
    let session = pool.get().await?;
    let statement = session.prepare_cached(CLAIM).await?;
    let rows_max = lanes.free().min(OUTBOUND_CLAIM_ROWS_MAX) as i64;
    let (hosts, free) = lanes.known();
    let margin = OUTBOUND_LEASE_MARGIN.as_secs_f64();
    let room = ROOM_AT_FIRST as i32;
    let bytes_max = lanes.free_bytes() as i64;
    let rows =
        session.query(&statement, &[&rows_max, &room, &hosts, &free, &number, &margin, &bytes_max]).await?;
    Ok(rows.iter().map(Claimed::of).collect())
}

/// How long nothing will be due, `None` when nothing waits.
pub(super) async fn due_in(pool: &Pool, lanes: &Lanes) -> Result<Option<Duration>, QueueError> {
    let session = pool.get().await?;
    let statement = session.prepare_cached(DUE).await?;
    let (hosts, free) = lanes.known();
    let full: Vec<&str> =
        hosts.into_iter().zip(free).filter(|(_, free)| *free == 0).map(|(host, _)| host).collect();
    let seconds: Option<f64> = session.query_one(&statement, &[&full]).await?.get(0);
    Ok(seconds.map(|seconds| Duration::from_secs_f64(seconds.max(0.0))))
}

pub(super) async fn revive(pool: &Pool) -> Result<u64, QueueError> {
    Ok(pool.get().await?.execute(REVIVE, &[]).await?)
}

pub(super) async fn give_back(pool: &Pool, number: i32) -> Result<u64, QueueError> {
    Ok(pool.get().await?.execute(GIVE_BACK, &[&number]).await?)
}

/// Removes responses past their time; true if there may be more.
pub(super) async fn clean(pool: &Pool) -> Result<bool, QueueError> {
    let removed = pool.get().await?.execute(CLEAN, &[&OUTBOUND_CLEAN_ROWS_MAX]).await?;
    Ok(removed >= OUTBOUND_CLEAN_ROWS_MAX as u64)
}
