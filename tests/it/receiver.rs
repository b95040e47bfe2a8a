//! The other end of outbound requests: a server on loopback that remembers what it was sent.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use isobase_base::task::{self, TaskKind};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// One request, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

/// What it does follows from the path: `/status/404`, `/busy/2` (503 twice per key), `/binary`,
/// `/redirect/<where>`, `/hang`; anything else answers 200 and repeats the body.
pub(crate) struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    serving: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let received = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&received);
        let serving = task::spawn(TaskKind::Service, "receiver", async move {
            let busy = Arc::new(Mutex::new(HashMap::new()));
            while let Ok((stream, _)) = listener.accept().await {
                let (received, busy) = (Arc::clone(&shared), Arc::clone(&busy));
                task::spawn(TaskKind::Request, "receiver connection", async move {
                    let service =
                        service_fn(|request| answer(request, Arc::clone(&received), Arc::clone(&busy)));
                    let builder = Builder::new(TokioExecutor::new());
                    _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, received, serving }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().expect("no test panics in here").clone()
    }

    /// Those whose target begins with `path`.
    pub(crate) fn at(&self, path: &str) -> Vec<Received> {
        self.received().into_iter().filter(|one| one.target.starts_with(path)).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    request: Request<Incoming>,
    received: Arc<Mutex<Vec<Received>>>,
    busy: Arc<Mutex<HashMap<String, u32>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|whole| whole.to_bytes()).unwrap_or_default();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let one =
        Received { method: head.method, target: target.clone(), headers: head.headers, body: body.clone() };
    let key = one.header("idempotency-key").unwrap_or_default().to_owned();
    received.lock().expect("no test panics in here").push(one);
    let response = Response::builder();
    // The target of a redirect may have a query of its own.
    let path = &target[1..];
    let path = if path.starts_with("redirect/") { path } else { path.split('?').next().unwrap_or_default() };
    let response = match path.split_once('/').unwrap_or((path, "")) {
        ("status", code) => response.status(code.parse::<u16>().unwrap_or(500)).body(Full::new(body)),
        ("busy", times) => {
            let mut busy = busy.lock().expect("no test panics in here");
            let seen = busy.entry(key).or_insert(0);
            *seen += 1;
            if *seen <= times.parse().unwrap_or(0) {
                response.status(503).header("retry-after", "1").body(Full::default())
            } else {
                response.body(Full::new(body))
            }
        }
        ("binary", _) => {
            response.header("content-type", "application/octet-stream").body(Full::new((0..=255).collect()))
        }
        ("redirect", to) => response.status(StatusCode::FOUND).header("location", to).body(Full::default()),
        ("hang", _) => std::future::pending().await,
        _ => response
            .header("content-type", head_type(&body))
            .header("x-repeated", "one")
            .header("x-repeated", "two")
            .body(Full::new(body)),
    };
    Ok(response.expect("the head is well-formed"))
}

fn head_type(body: &[u8]) -> &'static str {
    if body.starts_with(b"{") { "application/json" } else { "text/plain" }
}
