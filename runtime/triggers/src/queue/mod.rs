//! Queue consumers: functions that are called with the messages of a queue.
//!
//! For each queue there is one claimer on each host ([`claimer`]). It sleeps until an insert notifies
//! it, a hidden message becomes visible or a delivery has ended; then it claims what its free
//! deliveries can take, in one statement, and hands the messages out in memory, so that more
//! deliveries at once do not mean more programs that fight for the same rows. An idle queue costs no
//! SQL.
//!
//! A delivery ([`delivery`]) is a POST to the function as `service_role`. While it runs the messages
//! stay hidden; what the function says of each is settled in one go ([`table`]): deleted, hidden
//! until its next attempt, or moved to the dead-letter queue with the reason. A claim counts as an
//! attempt before the function sees the message, so one that kills the host is given up too. Claims are
//! fenced by the count of attempts: a host that slept through its claim settles nothing of another's.
//!
//! Several hosts on one database share a queue without knowing of each other: an insert wakes all, rows
//! are claimed with `skip locked`, and each looks again when the earliest claim runs out, its own or
//! another's.

mod answer;
mod backoff;
mod batch;
mod claimer;
mod consumer;
mod delivery;
mod table;

use std::collections::HashMap;
use std::sync::Arc;

use isobase_base::Invoker;
use isobase_base::observe::Observer;
use isobase_base::task::{self, TaskKind};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use consumer::QueueConsumer;
pub use table::QueueError;

/// Gives a receiver that moves whenever the channel may have been notified; `None` when too many
/// channels are listened to.
pub type Subscribe = Arc<dyn Fn(&str) -> Option<watch::Receiver<u64>> + Send + Sync>;

/// What all consumers work with.
#[derive(Clone)]
pub struct QueueHost {
    /// The host's own role: it sees all messages, whatever row level security says.
    pub sessions: deadpool_postgres::Pool,
    pub invoker: Arc<dyn Invoker>,
    pub subscribe: Subscribe,
    pub observer: Observer,
}

/// The consumers of this host.
pub struct QueueConsumers {
    host: QueueHost,
    running: Mutex<HashMap<String, Running>>,
}

struct Running {
    consumer: QueueConsumer,
    cancel: CancellationToken,
    claimer: JoinHandle<()>,
}

impl QueueConsumers {
    /// Makes the queues that are named and do not exist, then begins to consume. A queue that cannot
    /// be made now is tried again for as long as its consumer is there.
    pub async fn start(host: QueueHost, consumers: Vec<QueueConsumer>) -> Self {
        for consumer in &consumers {
            if let Err(error) = claimer::ensure(&host, consumer).await {
                claimer::report(consumer, "the queue could not be made", &error);
            }
        }
        let started = Self { host, running: Mutex::default() };
        started.replace(consumers);
        started
    }

    /// Consumes these queues from now on and no others. A consumer that has not changed goes on;
    /// deliveries of one that has are finished under the settings they began with.
    pub fn replace(&self, consumers: Vec<QueueConsumer>) {
        let mut running = self.running.lock();
        let mut before = std::mem::take(&mut *running);
        for consumer in consumers {
            let name = consumer.queue.clone();
            let kept = before.remove(&name).filter(|running| running.consumer == consumer);
            running.insert(name, kept.unwrap_or_else(|| self.run(consumer)));
        }
        for ended in before.into_values() {
            ended.cancel.cancel();
        }
    }

    /// Claims nothing any more and waits for deliveries under way, up to the drain's bound. What is
    /// not settled then is delivered again, by another host or the next start.
    pub async fn stop(&self) {
        let ended: Vec<Running> = self.running.lock().drain().map(|(_, running)| running).collect();
        for running in &ended {
            running.cancel.cancel();
        }
        for running in ended {
            // Only a panic is an error here, and that was told.
            let _ = running.claimer.await;
        }
    }

    fn run(&self, consumer: QueueConsumer) -> Running {
        let cancel = CancellationToken::new();
        let claimer = claimer::run(self.host.clone(), consumer.clone(), cancel.clone());
        let claimer = task::spawn(TaskKind::Service, "queue consumer", claimer);
        Running { consumer, cancel, claimer }
    }
}

impl Running {
    fn end(&self) {
        self.cancel.cancel();
    }
}

impl Drop for QueueConsumers {
    fn drop(&mut self) {
        self.running.lock().values().for_each(Running::end);
    }
}
