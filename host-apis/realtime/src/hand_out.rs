//! Messages from SQL: `realtime.send` leaves them in `realtime.messages` in the sender's transaction,
//! this hands them out after the commit.
//!
//! Nothing is polled: a notification, or a listening connection made anew, says that there may be
//! something. Which messages were not handed out yet is a table, so that none is overlooked whatever the
//! order of commits; a message is struck off it in the transaction that hands it out. A crash in
//! between delivers twice, never not at all.

use std::time::Duration;

use bytes::Bytes;
use deadpool_postgres::Pool;
use isobase_base::limits;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_postgres::Row;

use crate::Hub;
use crate::message::{Event, Message, Payload};
use crate::topic::{Topic, Visibility};

/// What the database notifies when messages were left.
pub const CHANNEL: &str = "isobase_realtime";

const IS_SET_UP: &str = "select to_regclass('realtime.undelivered') is not null";
const TAKE: &str = "with due as ( \
      select position from realtime.undelivered order by position limit $1 for update skip locked \
    ), taken as ( \
      delete from realtime.undelivered where position in (select position from due) \
      returning position, id, inserted_at \
    ) \
    select taken.id::text, topic, event, payload::text, binary_payload, coalesce(private, false) \
    from taken join realtime.messages using (id, inserted_at) order by position";
const FORGET: &str =
    "delete from realtime.messages where inserted_at < now() - make_interval(secs => $1::float8)";

/// Why messages could not be handed out for now.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("no session: {0}")]
    Session(#[from] deadpool_postgres::PoolError),
    #[error("{0}")]
    Sql(#[from] tokio_postgres::Error),
}

/// Hands out messages as long as the host runs. `sent` moves when there may be some.
pub async fn run(hub: Hub, sessions: Pool, mut sent: watch::Receiver<u64>) {
    let mut sweeps = interval(limits::REALTIME_SQL_SWEEP);
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        sent.mark_unchanged();
        match hand_out_all(&hub, &sessions).await {
            Ok(Availability::Ready) => {}
            Ok(Availability::NotSetUp) => {
                tracing::warn!("realtime.messages is another installation's; realtime.send stays there");
                return;
            }
            Err(_) if sessions.is_closed() => return,
            Err(error) => {
                tracing::warn!(%error, "messages of realtime.send wait for the database");
                sleep(limits::REALTIME_SQL_RETRY).await;
                continue;
            }
        }
        tokio::select! {
            changed = sent.changed() => if changed.is_err() { return },
            _ = sweeps.tick() => forget(&sessions).await,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Availability {
    Ready,
    /// The tables are not ours: a foreign database with a Realtime of its own.
    NotSetUp,
}

async fn hand_out_all(hub: &Hub, sessions: &Pool) -> Result<Availability, Trouble> {
    let mut session = sessions.get().await?;
    if !session.query_one(IS_SET_UP, &[]).await?.get::<_, bool>(0) {
        return Ok(Availability::NotSetUp);
    }
    loop {
        let transaction = session.transaction().await?;
        let rows = transaction.query(TAKE, &[&limits::REALTIME_SQL_BATCH_ROWS]).await?;
        for (topic, visibility, message) in rows.iter().filter_map(read) {
            hub.publish(&topic, visibility, &message, None);
        }
        transaction.commit().await?;
        if rows.is_empty() {
            return Ok(Availability::Ready);
        }
    }
}

/// `None` for a row that can be no message; it is struck off like the others.
fn read(row: &Row) -> Option<(Topic, Visibility, Message)> {
    let id: String = row.get(0);
    let (name, json, bytes): (String, Option<String>, Option<Vec<u8>>) = (row.get(2), row.get(3), row.get(4));
    let visibility = if row.get(5) { Visibility::Private } else { Visibility::Public };
    let payload = match (json, bytes) {
        (_, Some(bytes)) => Payload::Binary(bytes.into()),
        (json, None) => Payload::Json(json.map_or(Bytes::from_static(b"null"), Bytes::from)),
    };
    let topic = Topic::named(&row.get::<_, String>(1)).ok();
    let event = Event::new(&name, payload).ok();
    let Some((topic, mut event)) = topic.zip(event) else {
        tracing::warn!(id, "a message of realtime.send has a topic, event or payload that is too long");
        return None;
    };
    event.metadata = Some(serde_json::json!({ "id": id }).to_string());
    Some((topic, visibility, Message::Event(event)))
}

/// Old messages are in nobody's way; what fails now is done at the next sweep.
async fn forget(sessions: &Pool) {
    let kept: Duration = limits::REALTIME_SQL_KEPT;
    let forgotten =
        async { Ok::<_, Trouble>(sessions.get().await?.execute(FORGET, &[&kept.as_secs_f64()]).await?) };
    if let Err(error) = forgotten.await {
        tracing::debug!(%error, "old messages of realtime.send were not removed");
    }
}
