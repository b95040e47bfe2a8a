//! Functions that call other services.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{context, function, get, read};

/// A server that answers every connection with `answer` and tells what it was asked.
pub(crate) async fn server(answer: &'static str) -> (u16, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, questions) = tokio::sync::mpsc::unbounded_channel();
    let serve = async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut question = vec![0; 16 * 1024];
            let bytes = connection.read(&mut question).await.unwrap();
            let _ = asked.send(String::from_utf8_lossy(&question[..bytes]).into_owned());
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    };
    isobase_base::task::spawn(isobase_base::task::TaskKind::Request, "test server", serve);
    (port, questions)
}

const PLAIN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-from: there\r\nconnection: close\r\n\r\nhello";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
const MOVED: &str = "HTTP/1.1 302 Found\r\nlocation: http://elsewhere.invalid/\r\ncontent-length: 0\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn fetch_sends_and_receives() {
    let (port, mut questions) = server(PLAIN).await;
    let code = format!(
        "Deno.serve(async () => {{
            const response = await fetch('http://127.0.0.1:{port}/path?q=1', {{
                method: 'POST', headers: {{ 'x-to': 'you' }}, body: JSON.stringify({{ a: 1 }}),
            }});
            return new Response(`${{response.status}} ${{response.headers.get('x-from')}} ${{await response.text()}}`);
        }})"
    );
    let worker = function("fetch", &code).boot().await.unwrap();
    assert_eq!(read(worker.invoke(get("/"), context()).await).await, "200 200 there hello");
    let question = questions.recv().await.unwrap();
    assert!(question.starts_with("POST /path?q=1 HTTP/1.1\r\n"), "{question}");
    for line in ["x-to: you\r\n", "user-agent: isobase/", "\r\n\r\n{\"a\":1}"] {
        assert!(question.contains(line), "{question}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_fetched_response_is_passed_on() {
    let (port, _questions) = server(CHUNKED).await;
    let code = format!("Deno.serve(() => fetch('http://127.0.0.1:{port}/'))");
    let worker = function("proxy", &code).boot().await.unwrap();
    assert_eq!(read(worker.invoke(get("/"), context()).await).await, "200 abcdef");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn failures_of_fetch_are_errors_to_catch() {
    let (port, _questions) = server(MOVED).await;
    let code = format!(
        "const name = (promise) => promise.then((response) => response.status, (error) => error.name);
        Deno.serve(async () => Response.json([
            await name(fetch('http://127.0.0.1:1/')),
            await name(fetch('http://127.0.0.1:{port}/', {{ redirect: 'error' }})),
            await name(fetch('http://127.0.0.1:{port}/', {{ redirect: 'manual' }})),
            await name(fetch('http://127.0.0.1:{port}/', {{ signal: AbortSignal.abort() }})),
            await name(fetch('ftp://127.0.0.1/')),
        ]))"
    );
    let worker = function("failing", &code).boot().await.unwrap();
    let answer = read(worker.invoke(get("/"), context()).await).await;
    assert_eq!(answer, r#"200 ["TypeError","TypeError",302,"AbortError","TypeError"]"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn tcp_connections_can_be_opened() {
    let (port, _questions) = server("pong").await;
    let code = format!(
        "Deno.serve(async () => {{
            const connection = await Deno.connect({{ hostname: '127.0.0.1', port: {port} }});
            await connection.write(new TextEncoder().encode('ping'));
            const buffer = new Uint8Array(4);
            await connection.read(buffer);
            connection.close();
            return new Response(buffer);
        }})"
    );
    let worker = function("tcp", &code).boot().await.unwrap();
    assert_eq!(read(worker.invoke(get("/"), context()).await).await, "200 pong");
}
