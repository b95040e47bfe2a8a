//! A gateway on a port of its own, in front of functions that are closures.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use isobase_base::observe::Observer;
use isobase_base::task::{self, TaskKind};
use isobase_base::{
    Access, Body, Context, Failure, FailureKind, FunctionSlug, Invoker, Target, TargetKind, Upgrade,
};
use isobase_gateway::{Drained, Gateway, GatewayConfig};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use crate::client::{self, PATIENCE, Reply, Wire};
use crate::keyring;

/// The functions under test, chosen by slug. `locked` and `rest` demand nothing less than the
/// gateway's own rules; every other function has `verify_jwt = false`.
#[derive(Default)]
pub(crate) struct Functions {
    pub(crate) invoked: AtomicUsize,
    /// Invocations that ended by being dropped.
    pub(crate) dropped: Arc<AtomicUsize>,
    /// Lets `held` answer.
    pub(crate) release: Notify,
    /// Told when `held` has begun.
    pub(crate) begun: Notify,
    /// Bytes that `endless` has made.
    pub(crate) produced: Arc<AtomicUsize>,
}

impl Invoker for Functions {
    fn access(&self, target: &Target) -> Option<Access> {
        let is_there = target.kind() == TargetKind::Builtin || target.slug().as_str() != "missing";
        is_there.then(|| Access { verify_jwt: target.slug().as_str() == "locked" })
    }

    fn invoke(
        &self,
        target: Target,
        request: Request<Body>,
        context: Context,
    ) -> BoxFuture<'_, Result<Response<Body>, Failure>> {
        self.invoked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let mut cut = Cut { count: self.dropped.clone(), is_armed: true };
            let answer = match target.slug().as_str() {
                "echo" => Ok(Response::new(request.into_body())),
                "sink" => Ok(sink(request).await),
                "never" => std::future::pending().await,
                "stubborn" => {
                    let outcome = request.into_body().collect(u64::MAX).await;
                    assert!(outcome.is_err(), "only for bodies that break off");
                    std::future::pending().await
                }
                "held" => {
                    self.begun.notify_one();
                    self.release.notified().await;
                    Ok(Response::new(Body::from("released")))
                }
                "endless" => Ok(endless(self.dropped.clone(), self.produced.clone())),
                "socket" => Ok(upgraded(&request)),
                "liar" => Ok(liar(&request)),
                slug => match slug.strip_prefix("fail-") {
                    Some(kind) => Err(Failure::new(failure(kind), "a detail that clients must not see")),
                    None => Ok(describe(&target, &request, &context)),
                },
            };
            cut.is_armed = false;
            answer
        })
    }
}

/// Counts invocations that were dropped before they answered.
struct Cut {
    count: Arc<AtomicUsize>,
    is_armed: bool,
}

impl Drop for Cut {
    fn drop(&mut self) {
        if self.is_armed {
            self.count.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Tells as JSON what the function was given.
fn describe(target: &Target, request: &Request<Body>, context: &Context) -> Response<Body> {
    let headers: serde_json::Map<String, serde_json::Value> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    let seen = json!({
        "target": target.to_string(),
        "method": request.method().as_str(),
        "uri": request.uri().to_string(),
        "role": context.principal.role().as_str(),
        "subject": context.principal.subject(),
        "client": context.client.address.to_string(),
        "trace": context.trace.trace_id(),
        "request_id": context.request_id.to_string(),
        "headers": headers,
    });
    let mut response = Response::new(Body::from(seen.to_string()));
    response.headers_mut().insert("content-type", "application/json".parse().unwrap());
    response
}

async fn sink(request: Request<Body>) -> Response<Body> {
    match request.into_body().collect(u64::MAX).await {
        Ok(bytes) => Response::new(Body::from(bytes.len().to_string())),
        Err(error) => {
            let mut response = Response::new(Body::from(error.to_string()));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

/// 16 KiB chunks as fast as they are taken.
fn endless(dropped: Arc<AtomicUsize>, produced: Arc<AtomicUsize>) -> Response<Body> {
    let cut = Cut { count: dropped, is_armed: true };
    Response::new(Body::from_stream(futures::stream::repeat_with(move || {
        let _kept_alive_by_the_stream = &cut;
        produced.fetch_add(16 * 1024, Ordering::SeqCst);
        Ok(Bytes::from_static(&[b'x'; 16 * 1024]))
    })))
}

/// Answers 101 and echoes, in capitals.
fn upgraded(request: &Request<Body>) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    let Some(pending) = request.extensions().get::<Upgrade>().and_then(Upgrade::take) else {
        *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
        return response;
    };
    task::spawn(TaskKind::Request, "echo", async move {
        let mut io = pending.await.unwrap();
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = io.read(&mut buffer).await {
            buffer[..count].make_ascii_uppercase();
            if io.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    });
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert("connection", "Upgrade".parse().unwrap());
    response.headers_mut().insert("upgrade", "caps".parse().unwrap());
    response
}

/// Answers what no function may: `?status=` outside of HTTP, or a length that is not its body's.
fn liar(request: &Request<Body>) -> Response<Body> {
    let mut response = Response::new(Body::from("four"));
    match request.uri().query() {
        Some("early") => *response.status_mut() = StatusCode::EARLY_HINTS,
        Some("switch") => *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS,
        _ => {
            let headers = response.headers_mut();
            headers.insert("content-length", "400".parse().unwrap());
            headers.insert("transfer-encoding", "chunked".parse().unwrap());
            headers.insert("connection", "close".parse().unwrap());
            headers.insert("keep-alive", "timeout=1".parse().unwrap());
        }
    }
    response
}

fn failure(kind: &str) -> FailureKind {
    match kind {
        "boot" => FailureKind::Boot,
        "cpu" => FailureKind::CpuLimit,
        "idle" => FailureKind::IdleTimeout,
        "overloaded" => FailureKind::Overloaded,
        "crashed" => FailureKind::Crashed,
        other => panic!("no such failure: {other}"),
    }
}

/// A gateway that is being served.
pub(crate) struct TestGateway {
    pub(crate) address: SocketAddr,
    pub(crate) functions: Arc<Functions>,
    pub(crate) observer: Observer,
    pub(crate) gateway: Arc<Gateway>,
    shutdown: CancellationToken,
    ended: oneshot::Receiver<Drained>,
}

impl TestGateway {
    /// A gateway of the project's usual keys.
    pub(crate) async fn start() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut GatewayConfig)) -> Self {
        let mut config = GatewayConfig { keys: keyring::project(), ..GatewayConfig::default() };
        change(&mut config);
        let (functions, observer) = (Arc::new(Functions::default()), Observer::default());
        let gateway = Gateway::new(config, functions.clone(), observer.clone()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
        let (tell, ended) = oneshot::channel();
        let serving = gateway.clone().serve(vec![listener], shutdown.clone());
        task::spawn(TaskKind::Service, "gateway", async move {
            let _nobody_may_wait = tell.send(serving.await);
        });
        Self { address, functions, observer, gateway, shutdown, ended }
    }

    /// One request on a connection of its own.
    pub(crate) async fn send(&self, line: &str, headers: &[&str]) -> Reply {
        let mut wire = Wire::open(self.address).await;
        wire.write(client::request(line, headers)).await;
        let reply = if line.starts_with("HEAD ") { wire.head().await } else { wire.reply().await };
        reply.expect("a response")
    }

    pub(crate) fn stop(&self) {
        self.shutdown.cancel();
    }

    pub(crate) async fn drained(self) -> Drained {
        tokio::time::timeout(PATIENCE, self.ended).await.expect("the drain ends").unwrap()
    }

    pub(crate) fn invoked(&self) -> usize {
        self.functions.invoked.load(Ordering::SeqCst)
    }

    pub(crate) fn dropped(&self) -> usize {
        self.functions.dropped.load(Ordering::SeqCst)
    }

    pub(crate) fn produced(&self) -> usize {
        self.functions.produced.load(Ordering::SeqCst)
    }

    /// Waits until the metrics have this line.
    pub(crate) async fn until_metric(&self, line: &str) {
        eventually(
            || self.observer.openmetrics().lines().any(|found| found == line),
            || format!("no line {line:?} in\n{}", self.observer.openmetrics()),
        )
        .await;
    }
}

/// Waits until `condition` holds.
pub(crate) async fn eventually(condition: impl Fn() -> bool, complaint: impl Fn() -> String) {
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(2));
    let waited = tokio::time::timeout(PATIENCE, async {
        while !condition() {
            tick.tick().await;
        }
    });
    assert!(waited.await.is_ok(), "{}", complaint());
}

/// A built-in's name is not a user's.
#[test]
fn slugs_of_the_harness_are_valid() {
    for slug in
        ["echo", "sink", "never", "held", "endless", "socket", "liar", "fail-boot", "locked", "missing"]
    {
        assert!(FunctionSlug::parse(slug).is_ok());
    }
}
