//! The one task that claims a queue's messages on this host.

use std::sync::Arc;
use std::time::Duration;

use isobase_base::limits::{
    DRAIN_TIMEOUT, QUEUE_CLAIM_MESSAGES_MAX, QUEUE_TROUBLE_PAUSE_MAX, QUEUE_TROUBLE_PAUSE_MIN,
};
use isobase_base::task::{self, TaskKind};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batch::{self, Claimed};
use super::delivery::{self, Delivery};
use super::table::{self, QueueTable, Settlement};
use super::{QueueConsumer, QueueError, QueueHost};

/// Before a claim is tried again whose messages another host was claiming.
const CONTENDED_PAUSE: Duration = Duration::from_millis(20);

/// Makes the queue and its dead-letter queue where they do not exist.
pub(super) async fn ensure(host: &QueueHost, consumer: &QueueConsumer) -> Result<(), QueueError> {
    table::ensure(&host.sessions, &consumer.queue).await?;
    match &consumer.dead_letter_queue {
        Some(dead) => table::ensure(&host.sessions, dead).await,
        None => Ok(()),
    }
}

pub(super) fn report(consumer: &QueueConsumer, what: &str, error: &QueueError) {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    tracing::warn!(queue = consumer.queue, %error, cause, "{what}; it is tried again");
}

/// Consumes until `cancel`; ends when the deliveries under way have, or the drain's bound is over.
pub(super) async fn run(host: QueueHost, consumer: QueueConsumer, cancel: CancellationToken) {
    if let Err(error) = ensure(&host, &consumer).await {
        report(&consumer, "the queue could not be made", &error);
    }
    let dead = consumer.dead_letter_queue.as_deref();
    let table = QueueTable::new(host.sessions.clone(), &consumer.queue, dead);
    let Some(wake) = (host.subscribe)(&table.channel()) else {
        tracing::error!(
            queue = consumer.queue,
            "too many channels are listened to; the queue is not consumed"
        );
        return;
    };
    let (free, sooner) = (Arc::new(Semaphore::new(consumer.deliveries_max)), Arc::new(Notify::new()));
    let consumer = Arc::new(consumer);
    let delivery = Delivery { host, consumer: Arc::clone(&consumer), table: table.clone(), sooner };
    let mut claimer = Claimer { consumer, table, wake, free, delivery, cancel };
    let mut pause = QUEUE_TROUBLE_PAUSE_MIN;
    let mut since = Instant::now();
    while let Err(error) = claimer.work().await {
        report(&claimer.consumer, "the queue cannot be read", &error);
        if since.elapsed() > QUEUE_TROUBLE_PAUSE_MAX * 2 {
            pause = QUEUE_TROUBLE_PAUSE_MIN;
        }
        let cancel = claimer.cancel.clone();
        if cancel.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            break;
        }
        pause = (pause * 2).min(QUEUE_TROUBLE_PAUSE_MAX);
        // It may be that somebody dropped the queue, or that it could not be made before.
        if let Err(error) = ensure(&claimer.delivery.host, &claimer.consumer).await {
            report(&claimer.consumer, "the queue could not be made", &error);
        }
        since = Instant::now();
    }
    claimer.drain().await;
}

struct Claimer {
    consumer: Arc<QueueConsumer>,
    table: QueueTable,
    wake: watch::Receiver<u64>,
    /// A permit for each delivery that may begin.
    free: Arc<Semaphore>,
    delivery: Delivery,
    cancel: CancellationToken,
}

impl Claimer {
    /// Claims and hands out until cancelled.
    async fn work(&mut self) -> Result<(), QueueError> {
        while let Some(permit) = self.permit().await {
            let deliveries = 1 + self.free.available_permits();
            // Seen before the claim, so that what comes after it wakes again.
            self.wake.mark_unchanged();
            let count = (deliveries * self.consumer.batch_size_max).min(QUEUE_CLAIM_MESSAGES_MAX);
            let mut claimed = self.table.claim(self.visibility(), count).await?;
            if claimed.is_empty() {
                drop(permit);
                self.wait().await?;
                continue;
            }
            if claimed.len() < self.consumer.batch_size_max && !self.consumer.batch_wait.is_zero() {
                self.fill(&mut claimed).await?;
            }
            self.hand_out(permit, claimed).await;
        }
        Ok(())
    }

    /// For one more delivery; `None` when the claimer is to end.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let permit = self.cancel.run_until_cancelled(Arc::clone(&self.free).acquire_owned()).await?;
        permit.ok().filter(|_| !self.cancel.is_cancelled())
    }

    async fn hand_out(&self, permit: OwnedSemaphorePermit, mut claimed: Vec<Claimed>) {
        let mut permit = Some(permit);
        while !claimed.is_empty() {
            // Batches that are cut by their size may be more than the free deliveries.
            let taken = match permit.take() {
                Some(permit) => Some(permit),
                None => self.permit().await,
            };
            let Some(permit) = taken else {
                let back = claimed.iter().map(|message| (message.claim, Duration::ZERO)).collect();
                if let Err(error) = self.table.settle(&Settlement::Back(back)).await {
                    report(&self.consumer, "claimed messages could not be given back", &error);
                }
                return;
            };
            let batch = batch::next(&mut claimed, self.consumer.batch_size_max);
            let delivered = delivery::deliver(self.delivery.clone(), batch);
            task::spawn(TaskKind::Request, "queue delivery", async move {
                delivered.await;
                drop(permit);
            });
        }
    }

    /// Hidden while the batch fills, too.
    fn visibility(&self) -> Duration {
        self.consumer.visibility_timeout + self.consumer.batch_wait
    }

    /// Until there may be something to claim: an insert, the end of a message's pause, or the end of a
    /// claim whose host died.
    async fn wait(&mut self) -> Result<(), QueueError> {
        let due = self.table.next_due().await?.map(|due| due.max(CONTENDED_PAUSE));
        let timer = async {
            match due {
                Some(due) => tokio::time::sleep(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // An error says that the host listens no more: the timer is left.
            changed = self.wake.changed() => if changed.is_err() { self.cancel.cancelled().await },
            () = self.delivery.sooner.notified() => {}
            () = timer => {}
            () = self.cancel.cancelled() => {}
        }
        Ok(())
    }

    /// Claims more until the batch is full or has waited long enough.
    async fn fill(&mut self, claimed: &mut Vec<Claimed>) -> Result<(), QueueError> {
        let until = Instant::now() + self.consumer.batch_wait;
        while claimed.len() < self.consumer.batch_size_max {
            tokio::select! {
                changed = self.wake.changed() => if changed.is_err() { return Ok(()) },
                () = tokio::time::sleep_until(until) => return Ok(()),
                () = self.cancel.cancelled() => return Ok(()),
            }
            let missing = self.consumer.batch_size_max - claimed.len();
            claimed.extend(self.table.claim(self.visibility(), missing).await?);
        }
        Ok(())
    }

    async fn drain(&self) {
        let all = u32::try_from(self.consumer.deliveries_max).unwrap_or(u32::MAX);
        let ended = self.free.acquire_many(all);
        if tokio::time::timeout(DRAIN_TIMEOUT, ended).await.is_err() {
            tracing::warn!(queue = self.consumer.queue, "deliveries were cut at the end of the drain");
        }
    }
}
