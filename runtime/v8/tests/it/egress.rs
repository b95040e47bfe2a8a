//! Where functions may connect to: `fetch`, `WebSocket` and `Deno.connect` under an egress list.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use isobase_base::task::{self, TaskKind};
use isobase_base::{Capabilities, Egress};
use isobase_engine::{Engine, Function};
use isobase_http::{Network, Resolve, Resolving, Stance, Surroundings};
use isobase_v8::{V8Config, V8Engine};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{context, function, get, read};

/// `*.private` is in a private network, all else is this machine.
#[derive(Debug)]
struct Names;

impl Resolve for Names {
    fn resolve(&self, name: &str) -> Resolving {
        let address = if name.ends_with(".private") { [10, 0, 0, 1] } else { [127, 0, 0, 1] };
        Box::pin(std::future::ready(Ok(vec![IpAddr::from(address)])))
    }
}

/// Says "there"; `/to/<url>` redirects.
async fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = async move {
        while let Ok((connection, _)) = listener.accept().await {
            task::spawn(TaskKind::Request, "test connection", answer(connection));
        }
    };
    task::spawn(TaskKind::Request, "test server", serve);
    port
}

async fn answer(mut connection: TcpStream) {
    let mut question = vec![0; 16 * 1024];
    let Ok(bytes) = connection.read(&mut question).await else { return };
    let question = String::from_utf8_lossy(&question[..bytes]).into_owned();
    let target = question.split(' ').nth(1).unwrap_or_default();
    let answer = match target.strip_prefix("/to/") {
        Some(url) => {
            format!("HTTP/1.1 302 Found\r\nlocation: {url}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        }
        None => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nthere".into(),
    };
    _ = connection.write_all(answer.as_bytes()).await;
}

const CODE: &str = "
    const told = (promise) => promise.then((text) => text, (error) => `${error.name}: ${error.message}${error.cause ? ' / ' + error.cause.message : ''}`);
    const socket = (url) => new Promise((resolve, reject) => {
        const socket = new WebSocket(url);
        socket.onopen = () => resolve('open');
        socket.onerror = (event) => reject(event.error ?? new Error(event.message));
    });
    Deno.serve(async (request) => {
        const url = new URL(request.url).searchParams.get('url');
        if (url.startsWith('ws:')) return new Response(await told((async () => await socket(url))()));
        if (url.startsWith('tcp:')) {
            const [hostname, port] = url.slice(4).split(' ');
            return new Response(await told(Deno.connect({ hostname, port: Number(port) }).then(() => 'connected')));
        }
        const client = url.startsWith('http://client') ? Deno.createHttpClient({}) : undefined;
        return new Response(await told(fetch(url.replace('http://client@', 'http://'), { client }).then((response) => response.text())));
    });";

/// Asks for each URL under `egress`; `None` declares no list.
async fn ask(network: Network, egress: Option<&[&str]>, urls: &[String]) -> Vec<String> {
    let engine = V8Engine::new(V8Config {
        prewarmed: 0,
        network: network.with_resolver(Arc::new(Names)),
        ..V8Config::new(PathBuf::from(env!("CARGO_TARGET_TMPDIR")))
    })
    .unwrap();
    let plain = function("egress", CODE).build();
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
        let query: String = url.bytes().map(|byte| format!("%{byte:02x}")).collect();
        answers.push(read(worker.invoke(get(&format!("/?url={query}")), context()).await).await);
    }
    answers
}

fn development() -> Network {
    Network::new(Stance::Development, Surroundings { gateway: None, closed_ports: vec![54328] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
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
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "localhost",
        "unlisted.test",
        "listed.private",
        "listed.test",
        "LISTED.test.",
    ];
    let urls: Vec<String> = hosts.iter().map(|host| format!("http://{host}:{port}/")).collect();
    let clients: Vec<String> = hosts.iter().map(|host| format!("http://client@{host}:{port}/")).collect();
    let sockets: Vec<String> = hosts.iter().map(|host| format!("ws://{host}:{port}/")).collect();
    let connects: Vec<String> =
        hosts.iter().map(|host| format!("tcp:{} {port}", host.trim_matches(['[', ']']))).collect();
    let listed: &[&str] = &["listed.private", "listed.test"];
    for asked in [&urls, &clients] {
        for (url, answer) in asked.iter().zip(ask(development(), Some(listed), asked).await) {
            assert!(answer.starts_with("200 TypeError: "), "{url}: {answer}");
        }
    }
    for asked in [&sockets, &connects] {
        for (url, answer) in asked.iter().zip(ask(development(), Some(listed), asked).await) {
            assert!(answer.contains("Error") || answer.contains("NotCapable"), "{url}: {answer}");
        }
    }
    let told = ask(development(), Some(listed), &urls).await;
    assert!(told[0].contains("private or reserved network"), "{}", told[0]);
    assert!(told[13].contains("not on this function's egress list"), "{}", told[13]);
    assert!(
        told[15].contains("private or reserved network") && !told[15].contains("127.0.0.1"),
        "{}",
        told[15]
    );
    // The same without a list, where production closes private networks and leaves names open.
    let production = Network::new(Stance::Production, Surroundings::default());
    for (url, answer) in urls.iter().zip(ask(production, None, &urls).await) {
        assert!(answer.starts_with("200 TypeError: "), "{url}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn lists_open_names_addresses_and_ports() {
    let port = server().await;
    let (address, name) = (format!("127.0.0.1:{port}"), format!("*.test:{port}"));
    let urls = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://a.test:{port}/"),
        format!("tcp:127.0.0.1 {port}"),
        format!("http://127.0.0.1:{port}/to/http://a.test:{port}/"),
        format!("http://127.0.0.1:{port}/to/http://10.0.0.1/"),
        format!("http://127.0.0.1:{port}/to/http://127.0.0.1:9999/"),
        format!("http://127.0.0.1:{port}/to/http://b.private:{port}/"),
    ];
    let answers = ask(development(), Some(&[&address, &name]), &urls).await;
    assert_eq!(answers[..4], ["200 there", "200 there", "200 connected", "200 there"], "{answers:?}");
    for answer in &answers[4..] {
        assert!(answer.starts_with("200 TypeError: ") && answer.contains("egress"), "{answer}");
    }
    // A name that may be used at any port needs an address that is open at any.
    let answers = ask(development(), Some(&[&address, "*.test"]), &urls[1..2]).await;
    assert!(answers[0].starts_with("200 TypeError: "), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_projects_own_api_is_open_and_the_hosts_own_port_never() {
    let port = server().await;
    let gateway = Some(SocketAddr::from(([127, 0, 0, 1], port)));
    let network = || Network::new(Stance::Development, Surroundings { gateway, closed_ports: vec![54328] });
    let urls = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://host.docker.internal:{port}/"),
        "http://kong:8000/".into(),
        "http://api.supabase.internal:8000/".into(),
    ];
    let closed: &[&str] = &[];
    for egress in [Some(closed), None] {
        assert_eq!(ask(network(), egress, &urls).await, ["200 there"; 5], "{egress:?}");
    }
    let own = [
        "http://127.0.0.1:54328/metrics",
        "http://0.0.0.0:54328/",
        "http://x.test:54328/",
        "tcp:127.0.0.1 54328",
    ];
    let own = own.map(str::to_owned);
    for egress in [None, Some(&["127.0.0.0/8", "*.test"][..])] {
        for (url, answer) in own.iter().zip(ask(network(), egress, &own).await) {
            let refused = answer.contains("belongs to the host") || answer.contains("Requires net access");
            assert!(refused, "{url} under {egress:?}: {answer}");
        }
    }
}
