//! The admin port: liveness, readiness, metrics and the figures of functions. Plain HTTP for an operator's own network; it
//! asks for no key, so it must not be reachable by the public.

use std::future::{Future, ready};
use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use isobase_base::observe::Observer;
use isobase_base::{Body, limits};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::GatewayLimits;
use crate::peer::Peer;
use crate::server::{self, Drained, Service};

/// Says why the host cannot take requests now, or that it can. Asked on every `/ready`, so it must
/// be quick and must not block.
pub type ReadyCheck = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Serves `/live`, `/ready`, `/metrics` and `/functions`.
pub struct Admin {
    observer: Observer,
    ready: ReadyCheck,
}

impl Admin {
    pub fn new(observer: Observer, ready: ReadyCheck) -> Arc<Self> {
        Arc::new(Self { observer, ready })
    }

    /// Serves `listener` until `shutdown`. Give it a later signal than the gateway's, so that the
    /// drain can be watched.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, shutdown: CancellationToken) -> Drained {
        let limits =
            GatewayLimits { connections_max: limits::ADMIN_CONNECTIONS_MAX, ..GatewayLimits::default() };
        // Its own connections are not the clients' connections that the metrics count.
        server::serve(self, vec![listener], &limits, Observer::default(), shutdown).await
    }

    fn respond(&self, method: &Method, path: &str) -> Response<Body> {
        if method != Method::GET && method != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "method not allowed\n".into());
        }
        match path {
            // The process answers, so it lives; whether it is of use is the next question.
            "/live" => text(StatusCode::OK, "text/plain", "live\n".into()),
            "/ready" => match (self.ready)() {
                Ok(()) => text(StatusCode::OK, "text/plain", "ready\n".into()),
                Err(why) => {
                    text(StatusCode::SERVICE_UNAVAILABLE, "text/plain", format!("not ready: {why}\n").into())
                }
            },
            "/metrics" => text(
                StatusCode::OK,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                self.observer.openmetrics().into(),
            ),
            "/functions" => {
                let document = self.observer.functions_document().to_string();
                text(StatusCode::OK, "application/json", document.into())
            }
            _ => text(
                StatusCode::NOT_FOUND,
                "text/plain",
                "not found; try /live, /ready, /metrics or /functions\n".into(),
            ),
        }
    }
}

impl Service for Admin {
    type Body = Body;

    fn answer(
        &self,
        _peer: &Peer,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + Send {
        ready(self.respond(request.method(), request.uri().path()))
    }
}

fn text(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
