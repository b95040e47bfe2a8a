//! What an operator may see of the inbox and do to it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use deadpool_postgres::Transaction;
use isobase_base::FunctionSlug;
use isobase_base::limits::{OPERATOR_READ_TIMEOUT, WEBHOOKS_LISTED_MAX};
use tokio_postgres::Row;
use uuid::Uuid;

use super::store::{Inbox, StoreError};

const LIST: &str = "select id, function, event_id, state, attempts, received_at from isobase.webhook_inbox \
    where ($1::text is null or function = $1) and ($2::text is null or state = $2) \
    order by received_at desc limit $3";
const FIND: &str = "select id, function, event_id, state, attempts, received_at, target, headers::text, body \
    from isobase.webhook_inbox where id = $1";
const HISTORY: &str = "select number, began_at, ended_at, status, error from ( \
      select number, began_at, ended_at, status, error from isobase.webhook_attempts where webhook = $1 \
      order by number desc limit $2 \
    ) newest order by number";
/// No row: there is no such webhook. False: a host is at it.
const REPLAY: &str = "select isobase.replay_webhook(id) from isobase.webhook_inbox where id = $1";

/// Where a webhook is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookState {
    Waiting,
    Delivering,
    Delivered,
    Dead,
}

/// Which webhooks.
#[derive(Clone, Debug)]
pub struct WebhookFilter {
    /// `None`: of all functions.
    pub function: Option<FunctionSlug>,
    pub state: Option<WebhookState>,
    /// The newest, at most so many and [`WEBHOOKS_LISTED_MAX`].
    pub limit: u32,
}

/// A webhook in a list.
#[derive(Clone, Debug)]
pub struct WebhookSummary {
    pub id: Uuid,
    pub function: String,
    /// The sender's name for the event.
    pub event_id: Option<String>,
    pub state: String,
    /// Attempts that were begun.
    pub attempts: i32,
    pub received_at: DateTime<Utc>,
}

/// A webhook, whole.
#[derive(Clone, Debug)]
pub struct WebhookShown {
    pub summary: WebhookSummary,
    /// Path and query as the function sees them.
    pub target: String,
    /// Each byte of a value is a character.
    pub headers: Vec<(String, String)>,
    /// No longer than [`isobase_base::limits::WEBHOOK_BODY_BYTES_MAX`].
    pub body: Vec<u8>,
    /// In their order; the newest, at most [`WEBHOOKS_LISTED_MAX`].
    pub history: Vec<WebhookAttempt>,
}

/// One attempt to deliver.
#[derive(Clone, Debug)]
pub struct WebhookAttempt {
    pub number: i32,
    pub began_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// What the function answered, if it did.
    pub status: Option<i32>,
    /// `None` for success.
    pub error: Option<String>,
}

/// What became of the wish to deliver a webhook once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    Granted,
    /// A host delivers it at this moment.
    Busy,
    Unknown,
}

impl WebhookState {
    const ALL: [Self; 4] = [Self::Waiting, Self::Delivering, Self::Delivered, Self::Dead];

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivering => "delivering",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

impl Inbox {
    /// The newest first.
    pub async fn list(&self, filter: &WebhookFilter) -> Result<Vec<WebhookSummary>, StoreError> {
        let function = filter.function.as_ref().map(FunctionSlug::as_str);
        let state = filter.state.map(WebhookState::as_str);
        let limit = i64::from(filter.limit.min(WEBHOOKS_LISTED_MAX));
        let mut session = self.sessions().get().await?;
        let transaction = session.build_transaction().read_only(true).start().await?;
        bound(&transaction, OPERATOR_READ_TIMEOUT).await?;
        let rows = transaction.query(LIST, &[&function, &state, &limit]).await?;
        transaction.commit().await?;
        Ok(rows.iter().map(WebhookSummary::read).collect())
    }

    /// `None` where there is none of this id.
    pub async fn find(&self, id: Uuid) -> Result<Option<WebhookShown>, StoreError> {
        let mut session = self.sessions().get().await?;
        let transaction = session.build_transaction().read_only(true).start().await?;
        bound(&transaction, OPERATOR_READ_TIMEOUT).await?;
        let Some(row) = transaction.query_opt(FIND, &[&id]).await? else { return Ok(None) };
        let attempts = transaction.query(HISTORY, &[&id, &i64::from(WEBHOOKS_LISTED_MAX)]).await?;
        transaction.commit().await?;
        Ok(Some(WebhookShown {
            summary: WebhookSummary::read(&row),
            target: row.get(6),
            headers: serde_json::from_str(row.get(7)).unwrap_or_default(),
            body: row.get(8),
            history: attempts.iter().map(WebhookAttempt::read).collect(),
        }))
    }

    /// Has a webhook delivered once more, whatever became of it.
    pub async fn replay(&self, id: Uuid) -> Result<Replayed, StoreError> {
        let session = self.sessions().get().await?;
        Ok(match session.query_opt(REPLAY, &[&id]).await? {
            Some(row) if row.get(0) => Replayed::Granted,
            Some(_) => Replayed::Busy,
            None => Replayed::Unknown,
        })
    }
}

/// The sessions are the host's own; deliveries wait for them too.
async fn bound(transaction: &Transaction<'_>, patience: Duration) -> Result<(), tokio_postgres::Error> {
    transaction.batch_execute(&format!("set local statement_timeout = {}", patience.as_millis())).await
}

impl WebhookSummary {
    fn read(row: &Row) -> Self {
        Self {
            id: row.get(0),
            function: row.get(1),
            event_id: row.get(2),
            state: row.get(3),
            attempts: row.get(4),
            received_at: row.get(5),
        }
    }
}

impl WebhookAttempt {
    fn read(row: &Row) -> Self {
        Self {
            number: row.get(0),
            began_at: row.get(1),
            ended_at: row.get(2),
            status: row.get(3),
            error: row.get(4),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::WebhookState;

    #[test]
    fn states_are_known_by_the_names_in_the_table() {
        for state in WebhookState::ALL {
            assert_eq!(WebhookState::parse(state.as_str()), Some(state));
        }
        assert_eq!(WebhookState::parse("lost"), None);
    }
}
