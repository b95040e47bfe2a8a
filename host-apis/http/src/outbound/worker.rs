//! The loop: claim what is due and has room, send it, look again when something changes.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use isobase_base::limits::{
    OUTBOUND_CLEAN_INTERVAL, OUTBOUND_PAUSE, OUTBOUND_POLL_INTERVAL, OUTBOUND_SENDING_MAX,
};
use isobase_base::task::{self, TaskKind};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::claimed::{Claimed, Options};
use super::decision::{Decision, decide};
use super::delivery;
use super::finish::{self, Finished};
use super::lanes::{Ended, Health, Lanes};
use super::queue::{self, Presence, QueueError};
use crate::HttpClient;

/// What is being sent when the host stops has this long to end.
const STOP_PATIENCE: Duration = Duration::from_secs(2);
/// Rows that are due but held by another transaction are looked at again after this.
const CONTENDED_PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Worker {
    sessions: Pool,
    wake: Option<watch::Receiver<u64>>,
    client: HttpClient,
    stop: CancellationToken,
}

struct Shift {
    presence: Presence,
    lanes: Lanes,
    key_prefix: Arc<str>,
    ended: mpsc::UnboundedReceiver<Ended>,
    report: mpsc::UnboundedSender<Ended>,
    finished: mpsc::Sender<Finished>,
    writer: JoinHandle<()>,
    /// Ends what is still being sent when patience is over.
    cut: CancellationToken,
    clean_at: Instant,
    revive_at: Instant,
}

enum Next {
    Look,
    Sleep(Duration),
}

impl Worker {
    pub(super) fn new(
        sessions: Pool,
        wake: Option<watch::Receiver<u64>>,
        client: HttpClient,
        stop: CancellationToken,
    ) -> Self {
        Self { sessions, wake, client, stop }
    }

    pub(super) async fn run(mut self) {
        let Some(mut shift) = self.begin().await else { return };
        let mut reported = false;
        while !self.stop.is_cancelled() {
            match self.look(&mut shift).await {
                Ok(Next::Look) => reported = false,
                Ok(Next::Sleep(pause)) => {
                    reported = false;
                    self.wait(&mut shift, pause).await;
                }
                Err(error) => {
                    if !reported {
                        tracing::warn!(%error, cause = ?std::error::Error::source(&error), "the queue of outbound requests cannot be read; trying again");
                        reported = true;
                    }
                    self.wait(&mut shift, OUTBOUND_PAUSE).await;
                }
            }
        }
        self.end(shift).await;
    }

    /// Waits for the database; `None` when there is no queue to serve or the host stops.
    async fn begin(&self) -> Option<Shift> {
        let (presence, key_prefix) = loop {
            match self.announce().await {
                Ok(Some(found)) => break found,
                Ok(None) => {
                    tracing::info!(
                        "net.http_request_queue is another extension's; its requests are not sent here"
                    );
                    return None;
                }
                Err(error) => tracing::debug!(%error, "no queue of outbound requests yet"),
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(OUTBOUND_PAUSE) => {}
            }
        };
        let (finished, inbox) = mpsc::channel(OUTBOUND_SENDING_MAX);
        let writing = finish::write(self.sessions.clone(), inbox, self.stop.clone());
        let writer = task::spawn(TaskKind::Service, "outbound outcomes", writing);
        let (report, ended) = mpsc::unbounded_channel(); // Bounded by the lanes.
        Some(Shift {
            presence,
            lanes: Lanes::default(),
            key_prefix: key_prefix.into(),
            ended,
            report,
            finished,
            writer,
            cut: CancellationToken::new(),
            clean_at: Instant::now(),
            revive_at: Instant::now(),
        })
    }

    async fn announce(&self) -> Result<Option<(Presence, String)>, QueueError> {
        let Some(presence) = Presence::announce(&self.sessions, None).await? else { return Ok(None) };
        Ok(Some((presence, queue::key_prefix(&self.sessions).await?)))
    }

    /// One look at the queue.
    async fn look(&mut self, shift: &mut Shift) -> Result<Next, QueueError> {
        if shift.presence.is_lost() {
            // The session ended, and with it our leases, unless nobody looked since.
            if let Some(presence) = Presence::announce(&self.sessions, Some(shift.presence.number)).await? {
                shift.presence = presence;
            }
            shift.revive_at = Instant::now();
        }
        if Instant::now() >= shift.revive_at {
            queue::revive(&self.sessions).await?;
            shift.revive_at = Instant::now() + OUTBOUND_POLL_INTERVAL;
        }
        if Instant::now() >= shift.clean_at {
            let more = queue::clean(&self.sessions).await?;
            shift.clean_at = Instant::now() + if more { OUTBOUND_PAUSE } else { OUTBOUND_CLEAN_INTERVAL };
        }
        if let Some(wake) = &mut self.wake {
            wake.borrow_and_update();
        }
        shift.note_ended();
        if shift.lanes.free() == 0 {
            return Ok(Next::Sleep(OUTBOUND_POLL_INTERVAL));
        }
        let claimed = queue::claim(&self.sessions, shift.presence.number, &shift.lanes).await?;
        if !claimed.is_empty() {
            for one in claimed {
                self.send(shift, one);
            }
            return Ok(Next::Look);
        }
        let pause = queue::due_in(&self.sessions, &shift.lanes).await?;
        Ok(Next::Sleep(
            pause
                .map_or(OUTBOUND_POLL_INTERVAL, |pause| pause.clamp(CONTENDED_PAUSE, OUTBOUND_POLL_INTERVAL)),
        ))
    }

    fn send(&self, shift: &mut Shift, claimed: Claimed) {
        shift.lanes.begin(&claimed.host, claimed.body.len());
        let (client, key_prefix, cut) =
            (self.client.clone(), Arc::clone(&shift.key_prefix), shift.cut.clone());
        let (finished, report, worker) =
            (shift.finished.clone(), shift.report.clone(), shift.presence.number);
        task::spawn(TaskKind::Request, "outbound request", async move {
            let ended =
                Ended { host: claimed.host.clone(), bytes: claimed.body.len(), health: Health::Silent };
            let guard = Report { report, ended: Some(ended) };
            let outcome = tokio::select! {
                outcome = delivery::attempt(&client, &claimed, &key_prefix) => outcome,
                () = cut.cancelled() => return,
            };
            guard.with(outcome.health());
            let attempts = claimed.attempts.saturating_add(1);
            let none = Options::default();
            let options = claimed.options.as_ref().unwrap_or(&none);
            let decision = decide(options, attempts.unsigned_abs(), &outcome);
            if let Decision::RetryAfter(pause) = decision {
                tracing::debug!(
                    request = claimed.id,
                    why = outcome.in_short(),
                    ?pause,
                    "an outbound request is tried again"
                );
            }
            // The writer outlives all senders; it ends only with the host.
            _ = finished.send(Finished { id: claimed.id, worker, attempts, outcome, decision }).await;
        });
    }

    /// Until something may have changed, `pause` at the longest.
    async fn wait(&mut self, shift: &mut Shift, pause: Duration) {
        let until = Instant::now() + pause;
        loop {
            let woken = async {
                let moved = match &mut self.wake {
                    Some(wake) => wake.changed().await.is_ok(),
                    None => false,
                };
                if !moved {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep_until(until) => return,
                () = woken => return,
                Some(ended) = shift.ended.recv() => {
                    let all_full = shift.lanes.free() == 0;
                    if shift.lanes.end(&ended) || all_full {
                        return;
                    }
                }
            }
        }
    }

    /// Everything under way ends, or is handed back for the next host.
    async fn end(&self, mut shift: Shift) {
        let patience = tokio::time::sleep(STOP_PATIENCE);
        tokio::pin!(patience);
        while shift.lanes.sending() > 0 {
            tokio::select! {
                () = &mut patience => break,
                Some(ended) = shift.ended.recv() => {
                    shift.lanes.end(&ended);
                }
            }
        }
        shift.cut.cancel();
        let Shift { presence, finished, writer, .. } = shift;
        // With the last sender gone the writer ends, once it has written everything.
        drop(finished);
        _ = tokio::time::timeout(STOP_PATIENCE, writer).await;
        if let Err(error) = queue::give_back(&self.sessions, presence.number).await {
            tracing::debug!(%error, "leases of outbound requests end by themselves");
        }
    }
}

impl Shift {
    fn note_ended(&mut self) {
        while let Ok(ended) = self.ended.try_recv() {
            self.lanes.end(&ended);
        }
    }
}

/// Tells the lanes of an attempt's end, even if it panicked.
struct Report {
    report: mpsc::UnboundedSender<Ended>,
    ended: Option<Ended>,
}

impl Report {
    fn with(mut self, health: Health) {
        if let Some(ended) = &mut self.ended {
            ended.health = health;
        }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            _ = self.report.send(ended);
        }
    }
}
