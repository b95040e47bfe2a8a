//! The accept loop: a seat first, then a connection to sit on it.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use isobase_base::limits;
use isobase_base::observe::{ConnectionEvent, Observation, Observer};
use isobase_base::task::{self, TaskKind};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Service, Shared, connection};
use crate::peer::Peer;

/// The connections that may be open at once.
#[derive(Clone)]
pub(super) struct Seats {
    free: Arc<Semaphore>,
    count: u32,
    observer: Observer,
}

/// One of them. Given back on drop, which is when the socket closes.
pub(super) struct Seat {
    _permit: OwnedSemaphorePermit,
    observer: Observer,
    is_taken: bool,
}

impl Seats {
    pub(super) fn new(count: usize, observer: Observer) -> Self {
        let count = count.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self { free: Arc::new(Semaphore::new(count)), count: count as u32, observer }
    }

    async fn reserve(&self) -> Seat {
        let permit = match self.free.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                self.observer.record(Observation::Connection { event: ConnectionEvent::CapReached });
                self.free.clone().acquire_owned().await.expect("the semaphore is never closed")
            }
        };
        Seat { _permit: permit, observer: self.observer.clone(), is_taken: false }
    }

    /// Waits until every connection is closed.
    pub(super) async fn all_free(&self) {
        let _all = self.free.acquire_many(self.count).await;
    }

    pub(super) fn taken(&self) -> usize {
        self.count as usize - self.free.available_permits()
    }
}

impl Seat {
    fn take(&mut self) {
        self.is_taken = true;
        self.observer.record(Observation::Connection { event: ConnectionEvent::Opened });
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.is_taken {
            self.observer.record(Observation::Connection { event: ConnectionEvent::Closed });
        }
    }
}

/// Accepts until the shutdown signal.
pub(super) async fn run<S: Service>(listener: TcpListener, seats: Seats, shared: Arc<Shared<S>>) {
    let local_port = listener.local_addr().map_or(0, |address| address.port());
    let mut backoff = limits::ACCEPT_BACKOFF_MIN;
    loop {
        let seated = async {
            let seat = seats.reserve().await;
            (seat, listener.accept().await)
        };
        let (mut seat, accepted) = tokio::select! {
            biased;
            () = shared.shutdown.cancelled() => return,
            seated = seated => seated,
        };
        match accepted {
            Ok((stream, address)) => {
                backoff = limits::ACCEPT_BACKOFF_MIN;
                seat.take();
                start(stream, Peer::new(address, local_port), seat, shared.clone());
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                // Out of file descriptors, most likely. Trying on at once would only burn a core.
                tracing::warn!(%error, millis = backoff.as_millis() as u64, "cannot accept connections; trying again");
                pause(backoff, &shared).await;
                backoff = (backoff * 2).min(limits::ACCEPT_BACKOFF_MAX);
            }
        }
    }
}

fn start<S: Service>(stream: TcpStream, peer: Peer, seat: Seat, shared: Arc<Shared<S>>) {
    // Responses are written whole; waiting for more to send would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the connection was closed before it began");
        return;
    }
    task::spawn(TaskKind::Request, "connection", connection::run(stream, peer, seat, shared));
}

/// The client gave up between the handshake and the accept; the next one may be well.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    )
}

async fn pause<S>(length: Duration, shared: &Shared<S>) {
    let _ended_early = tokio::time::timeout(length, shared.shutdown.cancelled()).await;
}
