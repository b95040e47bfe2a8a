//! The surface: where the sockets and the HTTP endpoints are.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{Method, Request, Response, StatusCode};
use isobase_base::task::{self, TaskKind};
use isobase_base::websocket::{self, NoHandshake};
use isobase_base::{Body, Context, Credential, Failure, Principal, Service, Upgrade, Verifier};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::Hub;
use crate::protocol::Version;
use crate::rest;
use crate::session::Session;
use crate::socket;

/// Answers `/realtime/v1`. Callers were verified by the gateway; tokens that come later, in messages,
/// are verified by the same keys.
pub struct Realtime {
    hub: Hub,
    verifier: Arc<dyn Verifier>,
}

impl Realtime {
    pub fn new(hub: Hub, verifier: Arc<dyn Verifier>) -> Self {
        Self { hub, verifier }
    }

    async fn answer(&self, request: Request<Body>, context: Context) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        match segments.as_slice() {
            ["websocket"] => self.socket(&request, context.principal),
            ["api", "broadcast"] if request.method() == Method::POST => {
                rest::batch(&self.hub, &context.principal, request).await
            }
            ["api", "broadcast", topic, "events", event] if request.method() == Method::POST => {
                let (Some(topic), Some(event)) = (decoded(topic), decoded(event)) else {
                    return told(StatusCode::BAD_REQUEST, "The path is not UTF-8");
                };
                rest::single(&self.hub, &context.principal, &topic, &event, request).await
            }
            ["api", "broadcast"] | ["api", "broadcast", _, "events", _] => {
                told(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
                    .with(ALLOW, HeaderValue::from_static("POST"))
            }
            _ => told(StatusCode::NOT_FOUND, "Realtime has /websocket and /api/broadcast"),
        }
    }

    fn socket(&self, request: &Request<Body>, principal: Principal) -> Response<Body> {
        let version = parameter(request.uri().query(), "vsn");
        let Some(version) = Version::parse(version.as_deref()) else {
            return told(StatusCode::BAD_REQUEST, "This server speaks vsn 1.0.0 and 2.0.0");
        };
        let response = match websocket::accept(request.headers()) {
            Ok(response) => response.map(|()| Body::Empty),
            Err(NoHandshake::Plain) => {
                return told(StatusCode::UPGRADE_REQUIRED, "This is the address of a WebSocket")
                    .with(UPGRADE, HeaderValue::from_static("websocket"));
            }
            Err(NoHandshake::Version) => {
                return told(StatusCode::UPGRADE_REQUIRED, "Sec-WebSocket-Version must be 13")
                    .with(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            Err(NoHandshake::Key) => return told(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is not valid"),
        };
        let Some(connection) = request.extensions().get::<Upgrade>().and_then(Upgrade::take) else {
            return told(StatusCode::BAD_REQUEST, "This connection cannot become a WebSocket");
        };
        let hub = self.hub.clone();
        let session = Session::new(hub.clone(), self.verifier.clone(), version, credential(principal));
        task::spawn(TaskKind::Request, "realtime socket", async move {
            // A client that left between handshake and 101 left nothing to serve.
            if let Ok(connection) = connection.await {
                socket::run(connection, session, hub).await;
            }
        });
        response
    }
}

impl Service for Realtime {
    fn serve(
        &self,
        request: Request<Body>,
        context: Context,
    ) -> BoxFuture<'_, Result<Response<Body>, Failure>> {
        Box::pin(async move { Ok(self.answer(request, context).await) })
    }
}

/// A verified caller with the end of its token, which is among the claims.
fn credential(principal: Principal) -> Credential {
    let seconds = principal.claims().get("exp").and_then(Value::as_u64);
    let expires_at: Option<SystemTime> =
        seconds.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    Credential { principal, expires_at }
}

/// The first value of a query parameter.
pub(crate) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.into_iter().find(|(found, _)| *found == name)?.1;
    decoded(value)
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// An error as realtime-js reads it.
pub(crate) fn told(status: StatusCode, message: &str) -> Response<Body> {
    json_response(status, &json!({ "error": message, "message": message }))
}

pub(crate) fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.with(CONTENT_TYPE, HeaderValue::from_static("application/json"))
}

pub(crate) trait With {
    fn with(self, name: HeaderName, value: HeaderValue) -> Self;
}

impl With for Response<Body> {
    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers_mut().insert(name, value);
        self
    }
}
