//! Connections: accepted, bounded, watched and drained. Nothing here knows what a request means.
//!
//! Each connection is one task that runs hyper (HTTP/1.1 or cleartext HTTP/2, told apart by the
//! first bytes) and the futures of its HTTP/1.1 requests; requests need no task of their own.

mod accept;
mod activity;
mod connection;
mod socket;

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use http::{Request, Response};
use hyper::body::Incoming;
use isobase_base::BodyError;
use isobase_base::observe::Observer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::GatewayLimits;
use crate::peer::Peer;
use accept::Seats;

/// Answers requests. Dropping the future, or the body, means that the client is gone.
pub(crate) trait Service: Send + Sync + 'static {
    type Body: http_body::Body<Data = Bytes, Error = BodyError> + Send + Unpin + 'static;

    fn answer(
        &self,
        peer: &Peer,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every request in flight was answered.
    Clean,
    /// So many connections were still open at the deadline and were cut.
    Cut { connections: usize },
}

/// What all connections of one [`serve`] share.
struct Shared<S> {
    service: Arc<S>,
    limits: GatewayLimits,
    observer: Observer,
    /// Open requests may finish, idle connections end.
    shutdown: CancellationToken,
    /// Connections end now.
    cut: CancellationToken,
}

pub(crate) async fn serve<S: Service>(
    service: Arc<S>,
    listeners: Vec<TcpListener>,
    limits: &GatewayLimits,
    observer: Observer,
    shutdown: CancellationToken,
) -> Drained {
    let seats = Seats::new(limits.connections_max, observer.clone());
    let cut = CancellationToken::new();
    let shared = Arc::new(Shared { service, limits: limits.clone(), observer, shutdown, cut: cut.clone() });
    // The loops own the listeners, so their end closes them: the kernel then refuses newcomers.
    join_all(listeners.into_iter().map(|listener| accept::run(listener, seats.clone(), shared.clone())))
        .await;
    if tokio::time::timeout(limits.drain_timeout, seats.all_free()).await.is_ok() {
        return Drained::Clean;
    }
    let connections = seats.taken();
    cut.cancel();
    Drained::Cut { connections }
}
