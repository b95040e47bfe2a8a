//! Keeps the server running: notices its end, starts it again with growing pauses, stops it when
//! the host says so, and keeps its log within bounds.

use std::time::{Duration, Instant};

use isobase_base::limits::{POSTGRES_RESTART_DELAY_MAX, POSTGRES_RESTART_DELAY_MIN, POSTGRES_STEADY_AFTER};
use isobase_base::observe::{Observation, Observer, PostgresEvent};
use isobase_base::task::{self, TaskKind};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::log_file;
use super::server::{Launch, Server};

/// How often the log's length is looked at.
const LOG_CHECK: Duration = Duration::from_secs(60);

/// The handle on the supervising task. Dropping it ends the task, and with it the server.
pub(super) struct Supervisor {
    stop: Option<oneshot::Sender<()>>,
    pid: watch::Receiver<Option<u32>>,
    task: JoinHandle<()>,
}

impl Supervisor {
    pub(super) fn start(launch: Launch, server: Server, observer: Observer) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (announce, pid) = watch::channel(Some(server.id()));
        let watch = Watch { launch, observer, announce, delay: POSTGRES_RESTART_DELAY_MIN };
        let task = task::spawn(TaskKind::Service, "postgres", watch.run(server, stopped));
        Self { stop: Some(stop), pid, task }
    }

    pub(super) fn pid(&self) -> Option<u32> {
        *self.pid.borrow()
    }

    pub(super) async fn pid_other_than(&self, old: u32) -> bool {
        let mut pid = self.pid.clone();
        pid.wait_for(|pid| pid.is_some_and(|pid| pid != old)).await.is_ok()
    }

    pub(super) async fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // Refused only by a task that is already gone.
            let _ = stop.send(());
        }
        if let Err(error) = (&mut self.task).await {
            tracing::warn!(%error, "postgres was not stopped in order");
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // After an orderly stop the task has ended and this does nothing.
        self.task.abort();
    }
}

struct Watch {
    launch: Launch,
    observer: Observer,
    announce: watch::Sender<Option<u32>>,
    delay: Duration,
}

/// What a running server's time came to.
enum End {
    Stopped,
    Crashed,
}

impl Watch {
    async fn run(mut self, mut server: Server, mut stopped: oneshot::Receiver<()>) {
        loop {
            match self.attend(server, &mut stopped).await {
                End::Stopped => break,
                End::Crashed => {}
            }
            match self.restart(&mut stopped).await {
                Some(again) => server = again,
                None => break,
            }
        }
        self.announce.send_replace(None);
        self.record(PostgresEvent::Stopped);
    }

    /// Stays with a server that is ready until it ends, one way or the other.
    async fn attend(&mut self, mut server: Server, stopped: &mut oneshot::Receiver<()>) -> End {
        let since = Instant::now();
        let mut log_check = tokio::time::interval(LOG_CHECK);
        loop {
            tokio::select! {
                _ = &mut *stopped => {
                    server.stop().await;
                    return End::Stopped;
                }
                status = server.wait() => {
                    self.announce.send_replace(None);
                    let why = self.launch.epitaph(status, &server);
                    server.disarm().await;
                    self.record(PostgresEvent::Exited { why: &why });
                    if since.elapsed() > POSTGRES_STEADY_AFTER {
                        self.delay = POSTGRES_RESTART_DELAY_MIN;
                    }
                    return End::Crashed;
                }
                _ = log_check.tick() => {
                    if let Err(error) = log_file::turn_over_if_full(&self.launch.log) {
                        tracing::warn!(%error, "postgres' log cannot be turned over");
                    }
                }
            }
        }
    }

    /// Starts the server until it stays up or the host stops; `None` in the latter case.
    async fn restart(&mut self, stopped: &mut oneshot::Receiver<()>) -> Option<Server> {
        loop {
            self.record(PostgresEvent::Restarting { after: self.delay });
            tokio::select! {
                _ = &mut *stopped => return None,
                () = tokio::time::sleep(self.delay) => {}
            }
            self.delay = (self.delay * 2).min(POSTGRES_RESTART_DELAY_MAX);
            let started = tokio::select! {
                // A half-started server is dropped, which tells it to stop.
                _ = &mut *stopped => return None,
                started = self.launch.start() => started,
            };
            match started {
                Ok(server) => {
                    self.announce.send_replace(Some(server.id()));
                    let (version, port) = (self.launch.version.as_str(), self.launch.port);
                    self.record(PostgresEvent::Started { version, port });
                    return Some(server);
                }
                Err(error) => self.record(PostgresEvent::Exited { why: &error.to_string() }),
            }
        }
    }

    fn record(&self, event: PostgresEvent<'_>) {
        self.observer.record(Observation::Postgres { event });
    }
}
