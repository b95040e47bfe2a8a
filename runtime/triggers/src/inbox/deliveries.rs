//! Takes what is due out of the inbox, as long as the host runs.

use std::sync::Arc;
use std::time::Duration;

use isobase_base::task::{self, TaskKind};
use isobase_base::{Invoker, limits};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::delivery;
use super::store::{Inbox, StoreError};

/// The host's share of the deliveries; every host on the same database takes its own.
pub struct Deliveries {
    inbox: Inbox,
    functions: Arc<dyn Invoker>,
    /// Moves when something has become due.
    due: watch::Receiver<u64>,
    /// A permit for each delivery under way.
    room: Arc<Semaphore>,
    /// Told when a delivery has ended.
    ended: Arc<Notify>,
}

/// Longest sleep: a clock that was set back must not put a delivery off for ever.
const NAP_MAX: Duration = Duration::from_secs(60);

impl Deliveries {
    /// `functions` is what is behind [`super::Receivers`]: a webhook is checked once.
    pub fn new(inbox: Inbox, functions: Arc<dyn Invoker>, due: watch::Receiver<u64>) -> Self {
        let room = Arc::new(Semaphore::new(limits::WEBHOOK_DELIVERIES_MAX));
        Self { inbox, functions, due, room, ended: Arc::default() }
    }

    /// Until the host stops. What is under way then is settled by itself.
    pub async fn run(mut self, stopping: CancellationToken) {
        let mut sweeps = interval(limits::WEBHOOK_SWEEP);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.due.mark_unchanged();
            let nap = match self.deliver_due().await {
                Ok(nap) => nap,
                Err(_) if self.inbox.is_closed() => return,
                Err(error) => {
                    tracing::warn!(%error, "webhooks wait for the database");
                    limits::WEBHOOK_DATABASE_RETRY
                }
            };
            tokio::select! {
                () = stopping.cancelled() => return,
                changed = self.due.changed() => if changed.is_err() { return },
                () = self.ended.notified() => {}
                () = sleep(nap) => {}
                _ = sweeps.tick() => {
                    if let Err(error) = self.inbox.forget().await {
                        tracing::debug!(%error, "old webhooks were not removed");
                    }
                }
            }
        }
    }

    /// Begins what is due, as far as there is room, and says how long nothing will be.
    async fn deliver_due(&self) -> Result<Duration, StoreError> {
        let room = self.room.available_permits();
        if room == 0 {
            return Ok(NAP_MAX);
        }
        let claims = self.inbox.claim(room).await?;
        let took_all = claims.len() < room;
        for claim in claims {
            let permit = self.room.clone().try_acquire_owned();
            let (inbox, functions, ended) = (self.inbox.clone(), self.functions.clone(), self.ended.clone());
            task::spawn(TaskKind::Request, "webhook delivery", async move {
                delivery::deliver(inbox, functions, claim).await;
                drop(permit);
                ended.notify_one();
            });
        }
        if !took_all {
            return Ok(NAP_MAX);
        }
        let seconds = self.inbox.until_due().await?;
        let until_due = seconds.map_or(NAP_MAX, |seconds| Duration::from_secs_f64(seconds.max(0.001)));
        Ok(until_due.min(NAP_MAX))
    }
}
