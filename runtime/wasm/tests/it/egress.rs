//! Where guests may connect to: `wasi:http` under an egress list.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use isobase_base::task::{self, TaskKind};
use isobase_base::{Capabilities, Egress};
use isobase_engine::{Engine, Function, Reuse};
use isobase_guests::COMPONENT;
use isobase_http::{Network, Resolve, Resolving, Stance, Surroundings};
use isobase_wasm::{WasmConfig, WasmEngine};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::{ask, function, get, limits};

/// `*.private` is in a private network, all else is this machine.
#[derive(Debug)]
struct Names;

impl Resolve for Names {
    fn resolve(&self, name: &str) -> Resolving {
        let address = if name.ends_with(".private") { [10, 0, 0, 1] } else { [127, 0, 0, 1] };
        Box::pin(std::future::ready(Ok(vec![IpAddr::from(address)])))
    }
}

async fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    task::spawn(TaskKind::Service, "test-server", async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 1024];
            assert!(socket.read(&mut request).await.unwrap() > 0);
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nthere";
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    port
}

/// Status and body of each URL, asked for under `egress`; `None` declares no list.
async fn fetch(network: Network, egress: Option<&[&str]>, urls: &[String]) -> Vec<String> {
    let network = network.with_resolver(Arc::new(Names));
    let cache_dir = Some(env!("CARGO_TARGET_TMPDIR").into());
    let engine = WasmEngine::new(WasmConfig { cache_dir, network, ..WasmConfig::default() }).unwrap();
    let plain = function(COMPONENT, Reuse::Fresh, limits());
    let egress = egress.map_or(Egress::Host, |entries| {
        Egress::Listed(entries.iter().map(|entry| entry.parse().unwrap()).collect())
    });
    let function = Arc::new(Function {
        target: plain.target.clone(),
        version: plain.version,
        artifact: plain.artifact.clone(),
        limits: plain.limits,
        capabilities: Capabilities { egress, ..plain.capabilities.clone() },
        isolation: plain.isolation,
        environment: plain.environment.clone(),
    });
    let worker = engine.boot(function).await.unwrap();
    let mut answers = Vec::new();
    for url in urls {
        let reply = ask(&*worker, get(&format!("/fetch?url={url}"))).await.unwrap();
        answers.push(format!("{} {}", reply.status.as_u16(), reply.body));
    }
    answers
}

const REFUSED: &str = "502 the request was not sent: the host does not allow this destination";

#[tokio::test]
async fn addresses_are_closed_in_every_spelling() {
    let port = server().await;
    let hosts = [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "localhost",
        "unlisted.test",
        "listed.private",
        "listed.test",
        "LISTED.test.",
    ];
    let urls: Vec<String> = hosts.iter().map(|host| format!("http://{host}:{port}/")).collect();
    let listed: &[&str] = &["listed.private", "listed.test"];
    let development = Network::new(Stance::Development, Surroundings::default());
    for (url, answer) in urls.iter().zip(fetch(development, Some(listed), &urls).await) {
        assert_eq!(answer, REFUSED, "{url}");
    }
    let production = Network::new(Stance::Production, Surroundings::default());
    for (url, answer) in urls.iter().zip(fetch(production, None, &urls).await) {
        assert_eq!(answer, REFUSED, "{url}");
    }
}

#[tokio::test]
async fn lists_open_names_addresses_and_ports() {
    let port = server().await;
    let surroundings = Surroundings { gateway: None, closed_ports: vec![54328] };
    let network = || Network::new(Stance::Development, surroundings.clone());
    let (address, name) = (format!("127.0.0.1:{port}"), format!("*.test:{port}"));
    let urls = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://a.test:{port}/"),
        "http://127.0.0.1:1/".into(),
        "http://a.test:1/".into(),
        "http://127.0.0.1:54328/".into(),
    ];
    let answers = fetch(network(), Some(&[&address, &name]), &urls).await;
    assert_eq!(answers, ["200 there", "200 there", REFUSED, REFUSED, REFUSED]);
    let answers = fetch(network(), None, &urls).await;
    assert_eq!(answers[..2], ["200 there", "200 there"]);
    assert_eq!(answers[4], REFUSED, "the host's own port");
}

#[tokio::test]
async fn the_projects_own_api_is_open_by_every_name() {
    let port = server().await;
    let gateway = Some(SocketAddr::from(([127, 0, 0, 1], port)));
    let network = Network::new(Stance::Production, Surroundings { gateway, closed_ports: Vec::new() });
    let urls = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        "http://kong:8000/".into(),
        "http://api.supabase.internal:8000/".into(),
    ];
    assert_eq!(fetch(network, Some(&[]), &urls).await, ["200 there"; 4]);
}

#[tokio::test]
async fn requests_to_the_own_project_need_no_socket() {
    // Nobody listens there.
    let gateway = Some(SocketAddr::from(([127, 0, 0, 1], 1)));
    let network = Network::new(Stance::Production, Surroundings { gateway, closed_ports: Vec::new() });
    network.inward().open(Arc::new(|request| {
        let seen = format!("inside {}, {}", request.uri(), request.headers().contains_key("traceparent"));
        Box::pin(std::future::ready(http::Response::new(seen.into())))
    }));
    let urls = ["http://127.0.0.1:1/rest/v1/x".to_owned(), "http://localhost:1/".to_owned()];
    assert_eq!(
        fetch(network, Some(&[]), &urls).await,
        ["200 inside http://127.0.0.1:1/rest/v1/x, true", "200 inside http://localhost:1/, true"]
    );
}
