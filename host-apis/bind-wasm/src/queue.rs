//! `isobase:host/queue`: messages, as the caller.

use std::time::Duration;

use isobase_queue::{Error, Identity, Outgoing, QueueDoor};

use crate::HostView;
use crate::bindings::{database, queue as wit};
use crate::database::words;

/// What every call of the interface answers: an error for the guest, within one for the host.
type Answer<T> = wasmtime::Result<Result<T, database::Error>>;

impl HostView<'_> {
    /// Taken before anything is awaited: the table of resources is not to be shared.
    fn queues(&self) -> Result<QueueDoor, Error> {
        let missing = || Error::Unavailable("this host runs without a database".to_owned());
        self.host.queues.clone().ok_or_else(missing)
    }
}

impl wit::Host for HostView<'_> {
    async fn send(&mut self, queue: String, as_whom: wit::Identity, message: wit::Outgoing) -> Answer<i64> {
        let door = self.queues();
        let sent = async { door?.send(&queue, identity(as_whom), outgoing(message)).await };
        Ok(sent.await.map_err(words::error))
    }

    async fn send_batch(
        &mut self,
        queue: String,
        as_whom: wit::Identity,
        messages: Vec<wit::Outgoing>,
    ) -> Answer<Vec<i64>> {
        let messages: Vec<_> = messages.into_iter().map(outgoing).collect();
        let door = self.queues();
        let sent = async { door?.send_batch(&queue, identity(as_whom), &messages).await };
        Ok(sent.await.map_err(words::error))
    }

    async fn read(
        &mut self,
        queue: String,
        as_whom: wit::Identity,
        visibility_ms: u64,
        quantity: u32,
    ) -> Answer<Vec<wit::Message>> {
        let visibility = Duration::from_millis(visibility_ms);
        let door = self.queues();
        let read = async { door?.read(&queue, identity(as_whom), visibility, quantity).await };
        let messages = read.await.map_err(words::error);
        Ok(messages.map(|messages| messages.into_iter().map(message).collect()))
    }

    async fn ack(&mut self, queue: String, as_whom: wit::Identity, ids: Vec<i64>) -> Answer<Vec<i64>> {
        let door = self.queues();
        let settled = async { door?.ack(&queue, identity(as_whom), &ids).await };
        Ok(settled.await.map_err(words::error))
    }

    async fn archive(&mut self, queue: String, as_whom: wit::Identity, ids: Vec<i64>) -> Answer<Vec<i64>> {
        let door = self.queues();
        let settled = async { door?.archive(&queue, identity(as_whom), &ids).await };
        Ok(settled.await.map_err(words::error))
    }

    async fn extend(
        &mut self,
        queue: String,
        as_whom: wit::Identity,
        ids: Vec<i64>,
        visibility_ms: u64,
    ) -> Answer<Vec<i64>> {
        let visibility = Duration::from_millis(visibility_ms);
        let door = self.queues();
        let settled = async { door?.extend(&queue, identity(as_whom), &ids, visibility).await };
        Ok(settled.await.map_err(words::error))
    }

    async fn metrics(&mut self, queue: String, as_whom: wit::Identity) -> Answer<wit::MetricsResult> {
        let door = self.queues();
        let measured = async { door?.metrics(&queue, identity(as_whom)).await };
        Ok(measured.await.map(metrics).map_err(words::error))
    }
}

fn identity(identity: wit::Identity) -> Identity {
    match identity {
        wit::Identity::Caller => Identity::Caller,
        wit::Identity::Service => Identity::Service,
    }
}

fn outgoing(outgoing: wit::Outgoing) -> Outgoing {
    let wit::Outgoing { message, headers, delay_ms } = outgoing;
    Outgoing { message, headers, delay: Duration::from_millis(delay_ms) }
}

fn message(message: isobase_queue::Message) -> wit::Message {
    let isobase_queue::Message { id, attempts, enqueued_at, headers, message } = message;
    wit::Message { id, attempts, enqueued_at, headers, message }
}

fn metrics(metrics: isobase_queue::Metrics) -> wit::MetricsResult {
    let isobase_queue::Metrics { length, visible, total, newest_age, oldest_age } = metrics;
    wit::MetricsResult { length, visible, total, newest_age, oldest_age }
}
