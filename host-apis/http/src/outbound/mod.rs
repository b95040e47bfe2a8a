//! Requests that SQL asked for, from their table to their receivers.
//!
//! `net.http_post` and its sisters write a row in the caller's transaction; a commit makes it a promise,
//! a rollback takes it back. This worker claims due rows in short transactions ([`queue`]), sends them
//! outside of any ([`delivery`]) and writes the outcomes in batches ([`finish`]). A row stays until its
//! outcome is committed, so a host that dies sends nothing less, and what it had sent already goes out
//! again with the same idempotency key.
//!
//! A claim is a lease: it ends with the worker, whose session holds an advisory lock, or with the
//! request's timeout, whichever is first. Any number of hosts may serve one database.

mod claimed;
mod decision;
mod delivery;
mod finish;
mod lanes;
mod queue;
mod signature;
mod worker;

use deadpool_postgres::Pool;
use isobase_base::task::{self, TaskKind};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::HttpClient;
use worker::Worker;

/// The channel that is notified of rows in the queue.
pub const CHANNEL: &str = "isobase_net";

/// A running worker.
pub struct Outbound {
    stop: CancellationToken,
    worker: JoinHandle<()>,
}

impl Outbound {
    /// Serves the queue of the database behind `sessions` until stopped. `wake` moves when
    /// [`CHANNEL`] was notified; without it the queue is looked at at intervals. A database whose
    /// queue is not ours (an installed pg_net) is left alone.
    pub fn start(sessions: Pool, wake: Option<watch::Receiver<u64>>, client: HttpClient) -> Self {
        let stop = CancellationToken::new();
        let worker = Worker::new(sessions, wake, client, stop.clone());
        let worker = task::spawn(TaskKind::Service, "outbound", worker.run());
        Self { stop, worker }
    }

    /// Claims nothing more, gives what is being sent a moment to end and hands the rest back.
    pub async fn stop(self) {
        self.stop.cancel();
        _ = self.worker.await;
    }
}
