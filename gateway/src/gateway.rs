//! The gateway as an object: what it holds, and the two ways in.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use isobase_base::observe::Observer;
use isobase_base::{Body, FunctionSlug, Invoker, Target};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::GatewayConfig;
use crate::keys::{KeyConfig, KeyError, Keys};
use crate::peer::Peer;
use crate::routes::{Destination, ROUTES};
use crate::server::{self, Drained, Service};
use crate::stack;

/// The front door: takes requests from sockets (or from inside the process), decides who calls and
/// what is called, and hands the rest to the [`Invoker`].
pub struct Gateway {
    pub(crate) keys: Arc<Keys>,
    pub(crate) config: GatewayConfig,
    pub(crate) invoker: Arc<dyn Invoker>,
    pub(crate) observer: Observer,
    /// The built-ins of the route table, named once and not per request.
    builtins: Vec<Target>,
}

impl Gateway {
    /// Fails where a configured key cannot be used; the error names the key, never its value.
    pub fn new(
        config: GatewayConfig,
        invoker: Arc<dyn Invoker>,
        observer: Observer,
    ) -> Result<Arc<Self>, KeyError> {
        let keys = Arc::new(Keys::new(&config.keys)?);
        Ok(Self::with_keys(config, keys, invoker, observer))
    }

    /// With keys that others verify by as well; `config.keys` is not looked at.
    pub fn with_keys(
        config: GatewayConfig,
        keys: Arc<Keys>,
        invoker: Arc<dyn Invoker>,
        observer: Observer,
    ) -> Arc<Self> {
        let builtins = ROUTES.iter().filter_map(|route| match route.destination {
            Destination::Builtin(name) => FunctionSlug::parse(name).map(Target::builtin).ok(),
            _ => None,
        });
        Arc::new(Self { keys, config, invoker, observer, builtins: builtins.collect() })
    }

    /// The built-in that the route table calls `name`.
    pub(crate) fn builtin(&self, name: &str) -> Target {
        let found = self.builtins.iter().find(|target| target.slug().as_str() == name);
        found.expect("collected from the same table").clone()
    }

    /// Takes new keys into force for every request that begins after this call. Tokens verified
    /// before are forgotten. On error the old keys stay.
    pub fn replace_keys(&self, keys: &KeyConfig) -> Result<(), KeyError> {
        self.keys.replace(keys)
    }

    /// Serves `listeners` until `shutdown`, then drains: requests in flight may finish, new
    /// connections are refused, and what is left after the drain timeout is cut.
    pub async fn serve(self: Arc<Self>, listeners: Vec<TcpListener>, shutdown: CancellationToken) -> Drained {
        let (limits, observer) = (self.config.limits.clone(), self.observer.clone());
        server::serve(self, listeners, &limits, observer, shutdown).await
    }

    /// Answers a request from inside the process, as if it had come over a socket from `peer`: a
    /// function's call to its own project needs no TCP. The same checks and bounds hold. The URI
    /// must be absolute, or the request must have a `Host` header.
    pub async fn call(&self, peer: &Peer, request: Request<Body>) -> Response<Body> {
        stack::handle(self, peer, request).await.map(Body::wrap)
    }
}

impl Service for Gateway {
    type Body = stack::Answer;

    async fn answer(&self, peer: &Peer, request: Request<Incoming>) -> Response<stack::Answer> {
        stack::handle(self, peer, request).await
    }
}
