//! What the gateway costs per request, in CPU time, over the same server without it.
//!
//! Client and server share one thread, so that the thread's CPU clock sees all of the work and no
//! waiting. `bare` is hyper alone with the same answer; the other rows are the gateway before a
//! function that answers at once. Run with `cargo bench -p isobase-gateway`.
#![allow(clippy::print_stdout, reason = "a bench prints")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use isobase_base::task::{self, TaskKind};
use isobase_base::{Access, Body, Context, Failure, Invoker, Target};
use isobase_gateway::keys::{KeyConfig, sign_hs256};
use isobase_gateway::{Gateway, GatewayConfig};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const SECRET: &str = "a secret of at least thirty-two bytes";
const PUBLISHABLE: &str = "sb_publishable_AAAAAAAAAAAAAAAAAAAAAA_BBBBBBBB";
const WARM_UP: usize = 2_000;
const REQUESTS: usize = 20_000;

struct AtOnce;

impl Invoker for AtOnce {
    fn access(&self, _target: &Target) -> Option<Access> {
        Some(Access { verify_jwt: true })
    }

    fn invoke(
        &self,
        _target: Target,
        _request: Request<Body>,
        _context: Context,
    ) -> BoxFuture<'_, Result<Response<Body>, Failure>> {
        Box::pin(std::future::ready(Ok(Response::new(Body::from("ok")))))
    }
}

/// CPU time of this thread, in nanoseconds.
fn cpu_nanos() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux with schedstat");
    stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("the first field is a number")
}

async fn measure(address: SocketAddr, head: &str) -> f64 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    let mut began = 0;
    for number in 0..WARM_UP + REQUESTS {
        if number == WARM_UP {
            began = cpu_nanos();
        }
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut filled = 0;
        while !buffer[..filled].ends_with(b"\r\n\r\nok") {
            filled += stream.read(&mut buffer[filled..]).await.unwrap();
        }
        assert!(buffer.starts_with(b"HTTP/1.1 200"));
    }
    (cpu_nanos() - began) as f64 / REQUESTS as f64 / 1_000.0
}

async fn bare() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    task::spawn(TaskKind::Service, "bare", async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let service = service_fn(async |_| Ok::<_, Infallible>(Response::new(Body::from("ok"))));
            let _ended_by_the_client =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        }
    });
    address
}

async fn gateway() -> SocketAddr {
    let keys = KeyConfig {
        jwt_secret: Some(SECRET.into()),
        publishable_keys: vec![PUBLISHABLE.into()],
        ..KeyConfig::default()
    };
    let config = GatewayConfig { keys, ..GatewayConfig::default() };
    let gateway = Gateway::new(config, Arc::new(AtOnce), Default::default()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = gateway.serve(vec![listener], CancellationToken::new());
    task::spawn(TaskKind::Service, "gateway", async move {
        serving.await;
    });
    address
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let claims = json!({
        "sub": "7d0b5c5e-0000-4000-8000-000000000001", "aud": "authenticated", "exp": 4_000_000_000_u64,
        "role": "authenticated", "email": "a@example.com", "app_metadata": { "provider": "email" },
    });
    let token = sign_hs256(SECRET, &claims);
    let (bare, gateway) = (bare().await, gateway().await);
    let request = |path: &str, lines: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
    let with_token = format!("apikey: {PUBLISHABLE}\r\nAuthorization: Bearer {token}\r\n");
    let floor = measure(bare, &request("/rest/v1/t?select=*", &with_token)).await;
    println!("bare hyper                      {floor:6.2} us");
    for (what, head) in [
        ("data API, no key", request("/rest/v1/t?select=*", "")),
        ("data API, key and token", request("/rest/v1/t?select=*", &with_token)),
        ("function, key and token", request("/functions/v1/f", &with_token)),
        ("function, key only", request("/functions/v1/f", &format!("apikey: {PUBLISHABLE}\r\n"))),
    ] {
        let cost = measure(gateway, &head).await;
        println!("{what:31} {cost:6.2} us, {:5.2} us over bare", cost - floor);
    }
}
