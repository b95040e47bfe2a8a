//! The inbox in Postgres.

use std::time::Duration;

use deadpool_postgres::Pool;
use isobase_base::limits;
use tokio_postgres::Row;

use super::webhook::Webhook;

const KEEP: &str = "with fresh as ( \
      insert into isobase.webhook_inbox \
        (function, event_id, target, headers, body, attempts_granted, attempts_max) \
      values ($1, $2, $3, $4::text::jsonb, $5, $6, $6) \
      on conflict (function, event_id) where event_id is not null do nothing returning id \
    ), told as (select pg_notify('isobase_webhooks', '') from fresh) \
    select fresh.id::text from fresh cross join told";
const FIND: &str = "select id::text from isobase.webhook_inbox where function = $1 and event_id = $2";
const CLAIM: &str = "with due as ( \
      select id from isobase.webhook_inbox \
      where (state = 'waiting' and due_at <= now()) or (state = 'delivering' and lease_until <= now()) \
      order by due_at limit $1 for update skip locked \
    ), claimed as ( \
      update isobase.webhook_inbox inbox set state = 'delivering', attempts = attempts + 1, \
        lease_until = now() + make_interval(secs => $2) \
      from due where inbox.id = due.id \
      returning inbox.id, function, target, headers, body, attempts, attempts_max, received_at \
    ), begun as (insert into isobase.webhook_attempts (webhook, number) select id, attempts from claimed) \
    select id::text, function, target, headers::text, body, attempts, attempts_max from claimed \
    order by received_at";
const RENEW: &str = "update isobase.webhook_inbox set lease_until = now() + make_interval(secs => $3) \
    where id = $1::text::uuid and attempts = $2 and state = 'delivering'";
const SETTLE: &str = "with ended as ( \
      update isobase.webhook_attempts set ended_at = now(), status = $3, error = $4 \
      where webhook = $1::text::uuid and number = $2 \
    ) \
    update isobase.webhook_inbox set state = $5, due_at = now() + make_interval(secs => $6), \
      lease_until = null, ended_at = case when $5 = 'waiting' then null else now() end, \
      attempts_max = attempts_max + $7 \
    where id = $1::text::uuid and attempts = $2 and state = 'delivering'";
const UNTIL_DUE: &str = "select extract(epoch from \
      min(case state when 'waiting' then due_at else lease_until end) - now())::float8 \
    from isobase.webhook_inbox where state in ('waiting', 'delivering')";
const FORGET: &str = "delete from isobase.webhook_inbox \
    where state = 'delivered' and ended_at < now() - make_interval(secs => $1)";

/// Stores webhooks and what becomes of them. Cheap to clone.
#[derive(Clone)]
pub struct Inbox {
    sessions: Pool,
}

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("no session: {0}")]
    Session(#[from] deadpool_postgres::PoolError),
    #[error("{0}")]
    Sql(#[from] tokio_postgres::Error),
}

/// Where a webhook is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) id: String,
    /// Whether the event had been stored before.
    pub(super) is_duplicate: bool,
}

/// A webhook that is this host's to deliver, until its lease ends.
pub(super) struct Claim {
    pub(super) id: String,
    pub(super) function: String,
    pub(super) target: String,
    pub(super) headers: String,
    pub(super) body: Vec<u8>,
    pub(super) attempt: i32,
    pub(super) attempts_max: i32,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settlement {
    pub(super) status: Option<u16>,
    pub(super) error: Option<String>,
    pub(super) next: Next,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Delivered,
    Dead,
    Again {
        after: Duration,
    },
    /// The host is stopping, which is no fault of the function: the attempt does not count.
    Interrupted,
}

impl Inbox {
    pub fn new(sessions: Pool) -> Self {
        Self { sessions }
    }

    pub(super) fn sessions(&self) -> &Pool {
        &self.sessions
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sessions.is_closed()
    }

    /// Stores a webhook. When this returns, it survives whatever happens to the host.
    pub(super) async fn keep(&self, webhook: &Webhook) -> Result<Kept, StoreError> {
        let session = self.sessions.get().await?;
        let function = webhook.function.as_str();
        let granted = i32::try_from(limits::WEBHOOK_ATTEMPTS_MAX).unwrap_or(i32::MAX);
        let body: &[u8] = &webhook.body;
        let statement = session.prepare_cached(KEEP).await?;
        loop {
            let fresh = session
                .query_opt(
                    &statement,
                    &[&function, &webhook.event_id, &webhook.target, &webhook.headers, &body, &granted],
                )
                .await?;
            if let Some(row) = fresh {
                return Ok(Kept { id: row.get(0), is_duplicate: false });
            }
            // Stored before; unless it was forgotten between the two statements.
            if let Some(row) = session.query_opt(FIND, &[&function, &webhook.event_id]).await? {
                return Ok(Kept { id: row.get(0), is_duplicate: true });
            }
        }
    }

    /// Takes up to `count` webhooks that are due, or whose host has not been heard of.
    pub(super) async fn claim(&self, count: usize) -> Result<Vec<Claim>, StoreError> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let lease = limits::WEBHOOK_LEASE.as_secs_f64();
        let session = self.sessions.get().await?;
        let statement = session.prepare_cached(CLAIM).await?;
        let rows = session.query(&statement, &[&count, &lease]).await?;
        Ok(rows.iter().map(Claim::read).collect())
    }

    /// Says that this host is at it still. Whether the claim is its own any more.
    pub(super) async fn renew(&self, claim: &Claim) -> Result<bool, StoreError> {
        let lease = limits::WEBHOOK_LEASE.as_secs_f64();
        let session = self.sessions.get().await?;
        Ok(session.execute(RENEW, &[&claim.id, &claim.attempt, &lease]).await? > 0)
    }

    pub(super) async fn settle(&self, claim: &Claim, settlement: &Settlement) -> Result<(), StoreError> {
        let (state, pause, granted) = match settlement.next {
            Next::Delivered => ("delivered", Duration::ZERO, 0_i32),
            Next::Dead => ("dead", Duration::ZERO, 0),
            Next::Again { after } => ("waiting", after, 0),
            Next::Interrupted => ("waiting", limits::WEBHOOK_RETRY_MIN, 1),
        };
        let pause = pause.as_secs_f64();
        let status = settlement.status.map(i32::from);
        let session = self.sessions.get().await?;
        let statement = session.prepare_cached(SETTLE).await?;
        session
            .execute(
                &statement,
                &[&claim.id, &claim.attempt, &status, &settlement.error, &state, &pause, &granted],
            )
            .await?;
        Ok(())
    }

    /// Seconds until something is due, zero or less for now; `None` for never.
    pub(super) async fn until_due(&self) -> Result<Option<f64>, StoreError> {
        Ok(self.sessions.get().await?.query_one(UNTIL_DUE, &[]).await?.get(0))
    }

    /// Removes what was delivered long ago.
    pub(super) async fn forget(&self) -> Result<(), StoreError> {
        let kept = limits::WEBHOOK_KEPT.as_secs_f64();
        self.sessions.get().await?.execute(FORGET, &[&kept]).await?;
        Ok(())
    }
}

impl Claim {
    fn read(row: &Row) -> Self {
        Self {
            id: row.get(0),
            function: row.get(1),
            target: row.get(2),
            headers: row.get(3),
            body: row.get(4),
            attempt: row.get(5),
            attempts_max: row.get(6),
        }
    }
}
