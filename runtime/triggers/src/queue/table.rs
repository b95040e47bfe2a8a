//! A queue's table as its consumer uses it: one statement for each thing that happens to messages.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Client, Pool};
use isobase_base::limits::QUEUE_FAILURE_BYTES_MAX;
use isobase_queue::QueueName;
use serde_json::value::RawValue;
use tokio::sync::OnceCell;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::batch::{Claim, Claimed};

/// Why a queue could not be worked on.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    #[error("no session with Postgres")]
    Session(#[from] deadpool_postgres::PoolError),
    #[error("Postgres refused a statement")]
    Sql(#[from] tokio_postgres::Error),
}

/// What becomes of messages after a delivery.
#[derive(Debug)]
pub(super) enum Settlement {
    /// Deleted.
    Done(Vec<i64>),
    /// Visible again after a pause.
    Again(Vec<(Claim, Duration)>),
    /// The same where no function saw them: the claim does not count as an attempt.
    Back(Vec<(Claim, Duration)>),
    /// Moved to the dead-letter queue, or the archive, with the reason in their headers. Where the
    /// dead-letter queue does not take them, to the archive after all.
    Dead(Vec<(Claim, String)>),
}

/// Statements run as the role that requests with the service key act as: past row level security, and
/// with no more rights than that, since a project may put triggers of its own on a queue's table.
const BEGIN: &str = "begin; set local role service_role";
/// Where the host's role is an owner who may not become that one.
const BEGIN_AS_OWNER: &str = "begin";
/// A lost claim costs a second delivery and a lost acknowledgement too, never a message: so their
/// commits do not wait for the disk.
const RELAXED: &str = "; set local synchronous_commit = off";

/// Whether a commit has to be on the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durability {
    Relaxed,
    Full,
}

/// Makes a queue as role `postgres`, whose migrations then may alter it, where the host may act as it.
const AS_POSTGRES: &str = "select set_config('role', 'postgres', true) where exists \
    (select from pg_roles where rolname = 'postgres' and pg_has_role(current_user, oid, 'member'))";

/// The statements for one queue, each written once.
#[derive(Clone)]
pub(super) struct QueueTable {
    sessions: Pool,
    queue: String,
    /// Asked once.
    acts_as_service: Arc<OnceCell<bool>>,
    claim: String,
    next_due: String,
    acknowledge: String,
    hide: String,
    give_back: String,
    bury: String,
    archive: String,
}

impl QueueTable {
    pub(super) fn new(sessions: Pool, queue: &str, dead_letter_queue: Option<&str>) -> Self {
        let table = named(queue).table();
        let fenced = "from unnest($1::int8[], $2::int4[], $3::float8[]) as given (id, attempts, seconds) \
            where queue.msg_id = given.id and queue.read_ct = given.attempts";
        let later = "clock_timestamp() + make_interval(secs => given.seconds)";
        let archive = bury(&table, &named(queue).archive(), true);
        Self {
            claim: isobase_queue::read_statement(&named(queue)),
            next_due: format!("select extract(epoch from min(vt) - clock_timestamp())::float8 from {table}"),
            acknowledge: format!("delete from {table} where msg_id = any ($1)"),
            hide: format!("update {table} as queue set vt = {later} {fenced}"),
            give_back: format!(
                "update {table} as queue set vt = {later}, read_ct = queue.read_ct - 1 {fenced}"
            ),
            bury: dead_letter_queue
                .map_or_else(|| archive.clone(), |dead| bury(&table, &named(dead).table(), false)),
            archive,
            sessions,
            queue: queue.to_owned(),
            acts_as_service: Arc::default(),
        }
    }

    /// The channel that inserts into the queue notify.
    pub(super) fn channel(&self) -> String {
        format!("isobase_q_{}", self.queue)
    }

    /// Up to `count` visible messages, hidden for `visibility` from now.
    pub(super) async fn claim(&self, visibility: Duration, count: usize) -> Result<Vec<Claimed>, QueueError> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let rows = self.run(Durability::Relaxed, &self.claim, &[&visibility.as_secs_f64(), &count]).await?;
        Ok(rows.iter().map(claimed).collect())
    }

    /// How long until the next message is visible, claimed ones included; `None` for an empty queue.
    pub(super) async fn next_due(&self) -> Result<Option<Duration>, QueueError> {
        let rows = self.run(Durability::Relaxed, &self.next_due, &[]).await?;
        let seconds: Option<f64> = rows.first().and_then(|row| row.get(0));
        Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)))
    }

    /// Moves the end of the messages' claims on.
    pub(super) async fn extend(&self, messages: &[(Claim, Duration)]) -> Result<(), QueueError> {
        self.later(&self.hide, messages).await
    }

    pub(super) async fn settle(&self, settlement: &Settlement) -> Result<(), QueueError> {
        match settlement {
            Settlement::Done(ids) => {
                self.run(Durability::Relaxed, &self.acknowledge, &[&ids]).await.map(drop)
            }
            Settlement::Again(messages) => self.later(&self.hide, messages).await,
            Settlement::Back(messages) => self.later(&self.give_back, messages).await,
            Settlement::Dead(messages) => self.bury(messages).await,
        }
    }

    async fn bury(&self, messages: &[(Claim, String)]) -> Result<(), QueueError> {
        let ids: Vec<i64> = messages.iter().map(|(claim, _)| claim.id).collect();
        let attempts: Vec<i32> = messages.iter().map(|(claim, _)| claim.attempts).collect();
        let reasons: Vec<String> = messages.iter().map(|(_, why)| reason(why)).collect();
        match self.run(Durability::Full, &self.bury, &[&ids, &attempts, &reasons, &self.queue]).await {
            Err(QueueError::Sql(error)) if error.as_db_error().is_some() && self.bury != self.archive => {
                tracing::error!(queue = self.queue, %error, "the dead-letter queue took no messages; they go to the archive");
                self.run(Durability::Full, &self.archive, &[&ids, &attempts, &reasons, &self.queue])
                    .await
                    .map(drop)
            }
            done => done.map(drop),
        }
    }

    async fn later(&self, sql: &str, messages: &[(Claim, Duration)]) -> Result<(), QueueError> {
        let ids: Vec<i64> = messages.iter().map(|(claim, _)| claim.id).collect();
        let attempts: Vec<i32> = messages.iter().map(|(claim, _)| claim.attempts).collect();
        let seconds: Vec<f64> = messages.iter().map(|(_, pause)| pause.as_secs_f64()).collect();
        self.run(Durability::Relaxed, sql, &[&ids, &attempts, &seconds]).await.map(drop)
    }

    /// One transaction in one flush: nothing is awaited between its statements, so a future that is
    /// dropped leaves no session in the middle of one.
    async fn run(
        &self,
        durability: Durability,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, QueueError> {
        let client = self.sessions.get().await?;
        let statement = client.prepare_cached(sql).await?;
        let acts_as_service = self.acts_as_service.get_or_try_init(|| may_act_as_service(&client)).await?;
        let begin = if *acts_as_service { BEGIN } else { BEGIN_AS_OWNER };
        let begin = match durability {
            Durability::Relaxed => [begin, RELAXED].concat(),
            Durability::Full => begin.to_owned(),
        };
        let (begun, rows, committed) = tokio::join!(
            client.batch_execute(&begin),
            client.query(&statement, parameters),
            client.batch_execute("commit")
        );
        begun?;
        let rows = rows?;
        committed?;
        Ok(rows)
    }
}

async fn may_act_as_service(client: &Client) -> Result<bool, tokio_postgres::Error> {
    let sql = "select exists (select from pg_roles where rolname = 'service_role' \
        and pg_has_role(current_user, oid, 'member'))";
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// Makes the queue where it does not exist, and what wakes its consumers where pgmq is not the base
/// schema's.
pub(super) async fn ensure(sessions: &Pool, queue: &str) -> Result<(), QueueError> {
    let mut client: Client = sessions.get().await?;
    let transaction = client.transaction().await?;
    transaction.query(AS_POSTGRES, &[]).await?;
    transaction.query("select pgmq.create($1)", &[&queue]).await?;
    transaction.batch_execute("reset role").await?;
    let is_woken = "select exists (select from pg_trigger where tgrelid = $1::text::regclass \
        and tgname = 'isobase_wake_consumers')";
    let table = named(queue).table();
    if !transaction.query_one(is_woken, &[&table]).await?.get::<_, bool>(0) {
        transaction.batch_execute(&wake_up(&table)).await?;
    }
    transaction.commit().await?;
    Ok(())
}

fn named(queue: &str) -> QueueName {
    QueueName::parse(queue).expect("what settings call a queue, pgmq takes")
}

/// `$1` ids, `$2` attempts, `$3` reasons, `$4` the queue. `keeps_id` for the archive, whose rows keep
/// what they were.
fn bury(table: &str, grave: &str, keeps_id: bool) -> String {
    let headers = "case coalesce(jsonb_typeof(headers), 'null') when 'object' then headers \
          when 'null' then '{}' else jsonb_build_object('x-isobase-headers', headers) end \
        || jsonb_build_object('x-isobase-queue', $4::text, 'x-isobase-message-id', msg_id, \
          'x-isobase-attempts', read_ct, 'x-isobase-enqueued-at', enqueued_at, \
          'x-isobase-failed-at', clock_timestamp(), 'x-isobase-failure', why)";
    let (columns, values) = if keeps_id {
        ("msg_id, read_ct, enqueued_at, vt,", "msg_id, read_ct, enqueued_at, vt,")
    } else {
        ("vt,", "clock_timestamp(),")
    };
    format!(
        "with gone as ( \
           delete from {table} as queue \
           using unnest($1::int8[], $2::int4[], $3::text[]) as given (id, attempts, why) \
           where queue.msg_id = given.id and queue.read_ct = given.attempts \
           returning queue.msg_id, queue.read_ct, queue.enqueued_at, queue.vt, queue.message, queue.headers, \
             given.why \
         ) \
         insert into {grave} ({columns} message, headers) \
         select {values} message, {headers} from gone order by msg_id"
    )
}

fn wake_up(table: &str) -> String {
    format!(
        "create or replace function isobase.wake_consumers() returns trigger language plpgsql as \
         $$ begin perform pg_notify('isobase_' || tg_table_name, ''); return null; end $$; \
         create trigger isobase_wake_consumers after insert on {table} \
         for each statement execute function isobase.wake_consumers()"
    )
}

fn claimed(row: &Row) -> Claimed {
    let json = |text: String| RawValue::from_string(text).expect("Postgres writes jsonb as JSON");
    Claimed {
        claim: Claim { id: row.get(0), attempts: row.get(1) },
        enqueued_at: row.get(2),
        headers: row.get::<_, Option<String>>(3).map(json),
        body: json(row.get(4)),
    }
}

/// Cut to its bound, and without the zero byte that text in Postgres cannot hold.
fn reason(why: &str) -> String {
    let end = (0..=QUEUE_FAILURE_BYTES_MAX.min(why.len())).rev().find(|end| why.is_char_boundary(*end));
    why[..end.unwrap_or(0)].replace('\0', "\u{fffd}")
}
