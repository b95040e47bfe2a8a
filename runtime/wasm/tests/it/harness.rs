//! Boots guests and asks them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use isobase_base::{
    Body, Capabilities, Client, Context, Failure, FunctionSlug, Grant, Principal, RequestId, Target,
    TraceContext,
};
use isobase_engine::{Artifact, Engine, Function, FunctionVersion, Limits, Reuse, Worker};
use isobase_guests::COMPONENT;
use isobase_wasm::{WasmConfig, WasmEngine};

/// Longest wait for anything; a test that reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

static ENGINE: LazyLock<Arc<WasmEngine>> = LazyLock::new(|| {
    // Kept from run to run: the guests are compiled when they change.
    let cache_dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("wasm-code");
    engine_with_cache(Some(cache_dir))
});

pub(crate) fn engine() -> &'static Arc<WasmEngine> {
    &ENGINE
}

pub(crate) fn engine_with_cache(cache_dir: Option<PathBuf>) -> Arc<WasmEngine> {
    WasmEngine::new(WasmConfig { cache_dir, ..WasmConfig::default() }).unwrap()
}

pub(crate) fn function(bytes: impl Into<Bytes>, reuse: Reuse, limits: Limits) -> Arc<Function> {
    Arc::new(Function {
        target: Target::user(FunctionSlug::parse("guests").unwrap()),
        version: FunctionVersion(1),
        artifact: Artifact::Component { bytes: bytes.into(), reuse },
        limits,
        capabilities: Capabilities::all(Grant::Caller),
        isolation: isobase_base::Isolation::default(),
        environment: BTreeMap::from([("GREETING".into(), "hello".into())]),
    })
}

/// Small limits, so that reaching them is quick.
pub(crate) fn limits() -> Limits {
    Limits { memory_bytes_max: 32 << 20, cpu_max: Duration::from_millis(200), ..Limits::default() }
}

pub(crate) async fn boot(reuse: Reuse, limits: Limits) -> Arc<dyn Worker> {
    engine().boot(function(COMPONENT, reuse, limits)).await.unwrap()
}

pub(crate) fn context() -> Context {
    Context {
        request_id: RequestId::generate(),
        trace: TraceContext::generate(),
        principal: Principal::anon(),
        deadline: Instant::now() + PATIENCE,
        client: Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST) },
    }
}

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(path).header("host", "project.example").body(Body::Empty).unwrap()
}

pub(crate) fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path).header("host", "project.example").body(body.into()).unwrap()
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
}

pub(crate) async fn invoke(worker: &dyn Worker, request: Request<Body>) -> Result<Response<Body>, Failure> {
    tokio::time::timeout(PATIENCE, worker.invoke(request, context())).await.expect("an answer in time")
}

pub(crate) async fn ask(worker: &dyn Worker, request: Request<Body>) -> Result<Reply, Failure> {
    let (parts, body) = invoke(worker, request).await?.into_parts();
    let body = body.collect(u64::MAX).await.expect("a whole body");
    Ok(Reply { status: parts.status, body: String::from_utf8(body.to_vec()).unwrap() })
}

/// The body of a 200.
pub(crate) async fn text(worker: &dyn Worker, path: &str) -> String {
    let reply = ask(worker, get(path)).await.unwrap();
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    reply.body
}
