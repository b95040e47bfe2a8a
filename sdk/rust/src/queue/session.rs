//! As whom messages are sent and read.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;
use crate::bindings::isobase::host::database::Identity;
use crate::bindings::isobase::host::queue as host;

/// Who acts on queues. Grants and row level security on a queue's table decide what they may do.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    identity: Identity,
}

/// A message to send.
#[derive(Clone, Debug)]
pub struct Outgoing {
    host: host::Outgoing,
}

/// A message that was read.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: i64,
    /// How often it was read, this time included.
    pub attempts: u32,
    /// RFC 3339, in UTC.
    pub enqueued_at: String,
    /// A JSON object.
    pub headers: Option<String>,
    /// JSON.
    pub message: String,
}

/// What a queue holds.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// All messages, hidden ones included.
    pub length: u64,
    /// Those that could be read now.
    pub visible: u64,
    /// Messages ever sent.
    pub total: u64,
    /// `None` for an empty queue, in whole seconds.
    pub newest_age: Option<Duration>,
    pub oldest_age: Option<Duration>,
}

impl Outgoing {
    /// # Errors
    /// When `message` cannot be written as JSON.
    pub fn json(message: &impl Serialize) -> Result<Self, Error> {
        let message = serde_json::to_string(message).map_err(|error| Error::Refused(error.to_string()))?;
        Ok(Self { host: host::Outgoing { message, headers: None, delay_ms: 0 } })
    }

    /// # Errors
    /// When `headers` cannot be written as JSON. The host takes objects only.
    pub fn headers(mut self, headers: &impl Serialize) -> Result<Self, Error> {
        let headers = serde_json::to_string(headers).map_err(|error| Error::Refused(error.to_string()))?;
        self.host.headers = Some(headers);
        Ok(self)
    }

    /// Hidden for so long, in whole milliseconds.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.host.delay_ms = millis(delay);
        self
    }
}

impl Message {
    /// The message as a type of your own.
    pub fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(&self.message)
    }
}

impl Session {
    /// As the caller of the request.
    pub fn caller() -> Self {
        Self { identity: Identity::Caller }
    }

    /// As `service_role`. Needs the queue grant `service`.
    pub fn service() -> Self {
        Self { identity: Identity::Service }
    }

    pub fn send(&self, queue: &str, message: Outgoing) -> Result<i64, Error> {
        Ok(host::send(queue, self.identity, &message.host)?)
    }

    pub fn send_batch(
        &self,
        queue: &str,
        messages: impl IntoIterator<Item = Outgoing>,
    ) -> Result<Vec<i64>, Error> {
        let messages: Vec<_> = messages.into_iter().map(|message| message.host).collect();
        Ok(host::send_batch(queue, self.identity, &messages)?)
    }

    pub fn read(&self, queue: &str, visibility: Duration, quantity: u32) -> Result<Vec<Message>, Error> {
        let messages = host::read(queue, self.identity, millis(visibility), quantity)?;
        Ok(messages.into_iter().map(Message::from).collect())
    }

    pub fn ack(&self, queue: &str, ids: &[i64]) -> Result<Vec<i64>, Error> {
        Ok(host::ack(queue, self.identity, ids)?)
    }

    pub fn archive(&self, queue: &str, ids: &[i64]) -> Result<Vec<i64>, Error> {
        Ok(host::archive(queue, self.identity, ids)?)
    }

    pub fn extend(&self, queue: &str, ids: &[i64], visibility: Duration) -> Result<Vec<i64>, Error> {
        Ok(host::extend(queue, self.identity, ids, millis(visibility))?)
    }

    pub fn metrics(&self, queue: &str) -> Result<Metrics, Error> {
        Ok(host::metrics(queue, self.identity)?.into())
    }
}

impl From<host::Message> for Message {
    fn from(message: host::Message) -> Self {
        let host::Message { id, attempts, enqueued_at, headers, message } = message;
        Self { id, attempts, enqueued_at, headers, message }
    }
}

impl From<host::MetricsResult> for Metrics {
    fn from(metrics: host::MetricsResult) -> Self {
        let host::MetricsResult { length, visible, total, newest_age, oldest_age } = metrics;
        Self {
            length,
            visible,
            total,
            newest_age: newest_age.map(Duration::from_secs),
            oldest_age: oldest_age.map(Duration::from_secs),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
