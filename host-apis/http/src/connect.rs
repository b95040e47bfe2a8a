//! Connections to addresses that a policy has judged.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Uri;
use hyper_util::rt::TokioIo;
use isobase_base::limits::{OUTBOUND_ADDRESSES_MAX, OUTBOUND_CONNECT_TIMEOUT};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::policy::{Destination, EgressPolicy, Refusal};
use crate::resolve::Resolve;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the name could not be resolved")]
    Name(#[source] io::Error),
    #[error("the connection could not be made")]
    Connect(#[source] io::Error),
    #[error("no connection after {} s", OUTBOUND_CONNECT_TIMEOUT.as_secs())]
    Timeout,
    #[error("the URL names no host")]
    NoHost,
}

/// Opens TCP connections for hyper, under one policy.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    policy: EgressPolicy,
    resolver: Arc<dyn Resolve>,
}

impl Connector {
    pub(crate) fn new(policy: EgressPolicy, resolver: Arc<dyn Resolve>) -> Self {
        Self { policy, resolver }
    }

    async fn connect(self, uri: Uri) -> Result<TcpStream, ConnectError> {
        let (host, port) = host_and_port(&uri).ok_or(ConnectError::NoHost)?;
        let addresses = match self.policy.check_host(host, port)? {
            Destination::Gateway(address) | Destination::Address(address) => vec![address],
            Destination::Name(name, port) => self.addresses(&name, port).await?,
        };
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // Without it a small request may wait for the acknowledgement of its head.
                    _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(ConnectError::Connect(last))
    }

    /// Resolves once. One closed address closes the name: which of several is used must not depend on
    /// their order.
    async fn addresses(&self, name: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
        let found = self.resolver.resolve(name).await.map_err(ConnectError::Name)?;
        let addresses: Vec<SocketAddr> =
            found.into_iter().take(OUTBOUND_ADDRESSES_MAX).map(|ip| SocketAddr::new(ip, port)).collect();
        for address in &addresses {
            self.policy.admits(name, *address)?;
        }
        if addresses.is_empty() {
            return Err(ConnectError::Name(io::Error::from(io::ErrorKind::NotFound)));
        }
        Ok(addresses)
    }
}

/// What a URI leads to, with the port its scheme implies.
pub(crate) fn host_and_port(uri: &Uri) -> Option<(&str, u16)> {
    let port = match (uri.port_u16(), uri.scheme_str()) {
        (Some(port), _) => port,
        (None, Some("https" | "wss")) => 443,
        (None, _) => 80,
    };
    Some((uri.host()?, port))
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Self::Response, ConnectError>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.clone().connect(uri);
        async move {
            let connected = tokio::time::timeout(OUTBOUND_CONNECT_TIMEOUT, connecting).await;
            connected.map_err(|_| ConnectError::Timeout)?.map(TokioIo::new)
        }
        .boxed()
    }
}
