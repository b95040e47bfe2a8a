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
    /// Begins to consume. A queue that does not exist is made first; one that cannot be made now is tried
    /// again for as long as its consumer is there.
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
            let now = match before.remove(&name) {
                Some(kept) if kept.consumer == consumer => kept,
                changed => {
                    if let Some(changed) = changed {
                        changed.cancel.cancel();
                    }
                    self.run(consumer)
                }
            };
            // A list that names a queue twice means the last.
            if let Some(twice) = running.insert(name, now) {
                twice.cancel.cancel();
            }
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

impl Drop for QueueConsumers {
    fn drop(&mut self) {
        for running in self.running.lock().values() {
            running.cancel.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use deadpool_postgres::{Manager, Pool};
    use futures::FutureExt;
    use futures::future::BoxFuture;
    use http::{Request, Response};
    use isobase_base::observe::Observer;
    use isobase_base::{Access, Body, Context, Failure, FailureKind, FunctionSlug, Invoker, Target};
    use parking_lot::Mutex;
    use tokio::sync::watch;
    use tokio_postgres::NoTls;

    use super::{QueueConsumer, QueueConsumers, QueueHost};

    /// Has no functions.
    struct Nobody;

    impl Invoker for Nobody {
        fn access(&self, _target: &Target) -> Option<Access> {
            None
        }

        fn invoke(
            &self,
            target: Target,
            _request: Request<Body>,
            _context: Context,
        ) -> BoxFuture<'_, Result<Response<Body>, Failure>> {
            async move { Err(Failure::new(FailureKind::NotFound, target.to_string())) }.boxed()
        }
    }

    fn consumer(retries_max: u32) -> QueueConsumer {
        QueueConsumer {
            queue: "mails".into(),
            function: FunctionSlug::parse("send").unwrap(),
            batch_size_max: 10,
            batch_wait: Duration::ZERO,
            visibility_timeout: Duration::from_secs(30),
            retries_max,
            retry_backoff: Duration::from_secs(1),
            dead_letter_queue: None,
            deliveries_max: 1,
        }
    }

    #[tokio::test]
    async fn a_changed_consumer_replaces_the_one_before() {
        // No server is there, and none is needed to tell who should run.
        let nowhere = "host=127.0.0.1 port=1 user=nobody".parse().unwrap();
        let sessions = Pool::builder(Manager::new(nowhere, NoTls)).max_size(1).build().unwrap();
        let (_sender, woken) = watch::channel(0);
        let subscribe = Arc::new(move |_: &str| Some(woken.clone()));
        let host =
            QueueHost { sessions, invoker: Arc::new(Nobody), subscribe, observer: Observer::default() };
        let consumers = QueueConsumers { host, running: Mutex::default() };
        let token = || consumers.running.lock()["mails"].cancel.clone();
        consumers.replace(vec![consumer(3)]);
        let first = token();
        consumers.replace(vec![consumer(3)]);
        assert!(!first.is_cancelled(), "nothing has changed");
        consumers.replace(vec![consumer(4)]);
        let second = token();
        assert!(first.is_cancelled() && !second.is_cancelled());
        consumers.replace(vec![consumer(4), consumer(5)]);
        assert!(second.is_cancelled() && !token().is_cancelled());
        let last = token();
        consumers.replace(Vec::new());
        assert!(last.is_cancelled());
        consumers.stop().await;
    }
}
