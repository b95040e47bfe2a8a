//! The queues as one invocation sees them.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use isobase_base::limits::{QUEUE_BATCH_MESSAGES_MAX, QUEUE_DELAY_MAX};
use isobase_base::{Context, Grant, Principal};
use isobase_database::{Door, Error, Identity, Parameter, Session, Statement, Table};

use crate::commits::{Commits, LaneKey, array_of};
use crate::message::{self, Message, Metrics, Outgoing};
use crate::name::QueueName;
use crate::sql;

/// Acts as the caller of one request, or as `service_role` where that is granted. Made by
/// [`crate::Queues::door`]; cheap to clone. No wait outlives the request's deadline.
///
/// Failures are those of the database; a queue that does not exist is SQLSTATE 42P01.
#[derive(Clone)]
pub struct QueueDoor {
    pub(crate) commits: Arc<Commits>,
    pub(crate) database: Door,
    pub(crate) context: Context,
    pub(crate) grant: Grant,
}

impl QueueDoor {
    /// Sends one message and returns its id once it is committed. Messages that requests of the same
    /// principal send at the same time share a commit.
    ///
    /// Dropped before that, the message may have been sent or not.
    pub async fn send(&self, queue: &str, identity: Identity, message: Outgoing) -> Result<i64, Error> {
        let principal = self.principal(identity)?;
        let key = LaneKey { queue: QueueName::parse(queue)?, principal, grant: self.grant };
        let sent = self.commits.send(key, message.element()?);
        let deadline = self.context.deadline;
        if deadline <= Instant::now() {
            return Err(Error::TimedOut);
        }
        tokio::time::timeout_at(deadline.into(), sent).await.unwrap_or(Err(Error::TimedOut))
    }

    /// Sends several messages, all or none, and returns their ids in order.
    pub async fn send_batch(
        &self,
        queue: &str,
        identity: Identity,
        messages: &[Outgoing],
    ) -> Result<Vec<i64>, Error> {
        self.check(identity, messages.len())?;
        let queue = QueueName::parse(queue)?;
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let elements = messages.iter().map(Outgoing::element).collect::<Result<Vec<_>, _>>()?;
        let array = Parameter::Text(array_of(elements.iter().map(String::as_str)).into());
        message::ids(self.run(identity, sql::insert(&queue), vec![array]).await?.rows)
    }

    /// Up to `quantity` messages that are visible, oldest first; nobody else reads them for
    /// `visibility`.
    pub async fn read(
        &self,
        queue: &str,
        identity: Identity,
        visibility: Duration,
        quantity: u32,
    ) -> Result<Vec<Message>, Error> {
        self.check(identity, quantity as usize)?;
        let parameters = vec![seconds(visibility)?, Parameter::Int64(quantity.into())];
        let table = self.run(identity, sql::read(&QueueName::parse(queue)?), parameters).await?;
        table.rows.into_iter().map(message::of_row).collect()
    }

    /// Deletes messages that are done with; returns the ids that were there.
    pub async fn ack(&self, queue: &str, identity: Identity, ids: &[i64]) -> Result<Vec<i64>, Error> {
        self.settle(identity, sql::delete(&QueueName::parse(queue)?), ids, None).await
    }

    /// Moves messages to the queue's archive; returns the ids that were there.
    pub async fn archive(&self, queue: &str, identity: Identity, ids: &[i64]) -> Result<Vec<i64>, Error> {
        self.settle(identity, sql::archive(&QueueName::parse(queue)?), ids, None).await
    }

    /// Hides messages for `visibility` from now, or with zero shows them again; returns the ids that
    /// were there.
    pub async fn extend(
        &self,
        queue: &str,
        identity: Identity,
        ids: &[i64],
        visibility: Duration,
    ) -> Result<Vec<i64>, Error> {
        let visibility = Some(seconds(visibility)?);
        self.settle(identity, sql::extend(&QueueName::parse(queue)?), ids, visibility).await
    }

    /// Counts what the queue holds; reads the whole table.
    pub async fn metrics(&self, queue: &str, identity: Identity) -> Result<Metrics, Error> {
        self.check(identity, 0)?;
        let table = self.run(identity, sql::metrics(&QueueName::parse(queue)?), Vec::new()).await?;
        message::metrics_of_row(table.rows.first().map_or(&[][..], Vec::as_slice))
    }

    async fn settle(
        &self,
        identity: Identity,
        sql: String,
        ids: &[i64],
        more: Option<Parameter>,
    ) -> Result<Vec<i64>, Error> {
        self.check(identity, ids.len())?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut parameters = vec![array_literal(ids)];
        parameters.extend(more);
        message::ids(self.run(identity, sql, parameters).await?.rows)
    }

    async fn run(&self, identity: Identity, sql: String, parameters: Vec<Parameter>) -> Result<Table, Error> {
        let session = Session { identity, ..Session::default() };
        self.database.query(&session, Statement::new(sql, parameters)).await
    }

    fn check(&self, identity: Identity, messages: usize) -> Result<(), Error> {
        self.principal(identity)?;
        if messages > QUEUE_BATCH_MESSAGES_MAX {
            let text = format!("one call takes at most {QUEUE_BATCH_MESSAGES_MAX} messages");
            return Err(Error::Refused(text));
        }
        Ok(())
    }

    /// Whom a call acts as, where the grant allows it.
    fn principal(&self, identity: Identity) -> Result<Principal, Error> {
        match (self.grant, identity) {
            (Grant::None, _) => Err(Error::Refused("the function is granted no queues".to_owned())),
            (_, Identity::Caller) => Ok(self.context.principal.clone()),
            (Grant::Service, Identity::Service) => Ok(Principal::service()),
            (Grant::Caller, Identity::Service) => {
                Err(Error::Refused("the function is not granted service_role for queues".to_owned()))
            }
        }
    }
}

fn seconds(duration: Duration) -> Result<Parameter, Error> {
    if duration > QUEUE_DELAY_MAX {
        let days = QUEUE_DELAY_MAX.as_secs() / 86_400;
        return Err(Error::Refused(format!("a message is hidden for at most {days} days")));
    }
    Ok(Parameter::Float64(duration.as_secs_f64()))
}

/// Postgres' input format of a bigint[].
fn array_literal(ids: &[i64]) -> Parameter {
    let mut text = String::from("{");
    for (index, id) in ids.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(text, "{comma}{id}").expect("writing to a string cannot fail");
    }
    text.push('}');
    Parameter::Text(text.into())
}
