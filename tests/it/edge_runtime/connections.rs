//! What clients do on the wire: go away, send half, upgrade.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::{App, Project};

pub(super) async fn open(app: &App) -> TcpStream {
    TcpStream::connect(("127.0.0.1", app.project.api_port())).await.expect("the host accepts")
}

/// A connection, and what came over it so far.
pub(super) struct Line {
    stream: TcpStream,
    came: Vec<u8>,
}

impl Line {
    pub(super) fn of(stream: TcpStream) -> Self {
        Self { stream, came: Vec::new() }
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("the host reads");
    }

    /// Reads until `text` has come; gives all of what came.
    pub(super) async fn until(&mut self, text: &str) -> String {
        loop {
            let so_far = String::from_utf8_lossy(&self.came).into_owned();
            if so_far.contains(text) {
                return so_far;
            }
            match self.stream.read_buf(&mut self.came).await {
                Ok(1..) => {}
                end => panic!("{text:?} did not come before {end:?}: {so_far}"),
            }
        }
    }

    /// Everything up to the end of the connection.
    async fn rest(mut self) -> Vec<u8> {
        // A connection that is reset has an end too.
        _ = self.stream.read_to_end(&mut self.came).await;
        self.came
    }

    pub(super) fn into_inner(self) -> TcpStream {
        self.stream
    }
}

const WATCHER: &str = "
const seen = [];
Deno.serve(async (request) => {
  const { search } = new URL(request.url);
  if (search === '?seen') return new Response(seen.join());
  request.signal.addEventListener('abort', () => seen.push(request.signal.reason.name));
  seen.push('waiting');
  await new Promise((go) => request.signal.addEventListener('abort', go));
  return new Response('too late');
});";

#[tokio::test]
async fn a_client_that_goes_away_reaches_the_signal_of_its_request() {
    let project = Project::empty();
    project.function("watcher", WATCHER);
    let app = project.with_flags(&["--no-verify-jwt"]).start().await;
    let seen = async || app.call("GET", "/functions/v1/watcher?seen").send().await.text();
    let mut line = Line::of(open(&app).await);
    line.send("GET /functions/v1/watcher HTTP/1.1\r\nhost: x\r\n\r\n").await;
    app.until("the request waits", || async { seen().await == "waiting" }).await;
    drop(line);
    app.until("the signal is told", || async { seen().await == "waiting,AbortError" }).await;
}

#[tokio::test]
async fn half_a_body_harms_nobody_else() {
    let project = Project::empty();
    project.function(
        "reader",
        "Deno.serve(async (request) => new Response(`${(await request.bytes()).length}`))",
    );
    project.function("ignorer", "Deno.serve(() => new Response('ignored'))");
    let app = project.with_flags(&["--no-verify-jwt"]).start().await;
    for slug in ["reader", "ignorer"] {
        for head in ["content-length: 1000", "transfer-encoding: chunked"] {
            for _ in 0..5 {
                let mut line = Line::of(open(&app).await);
                line.send(format!(
                    "POST /functions/v1/{slug} HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n5\r\nhalf"
                ))
                .await;
                drop(line);
            }
        }
        let whole = app.call("POST", &format!("/functions/v1/{slug}")).text("whole").send().await;
        assert_eq!(whole.text(), if slug == "reader" { "5" } else { "ignored" }, "{}", app.project.log());
    }
}

#[tokio::test]
async fn a_method_that_functions_do_not_take_is_refused() {
    let project = Project::empty();
    project.function("any", "Deno.serve((request) => new Response(request.method))");
    let app = project.with_flags(&["--no-verify-jwt"]).start().await;
    for method in ["TRACE", "PROPFIND", "CONNECTED"] {
        let mut line = Line::of(open(&app).await);
        line.send(format!("{method} /functions/v1/any HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
            .await;
        let answer = String::from_utf8_lossy(&line.rest().await).into_owned();
        assert!(answer.starts_with("HTTP/1.1 405"), "{method}: {answer}");
    }
}

pub(crate) const SOCKET: &str = "
Deno.serve((request) => {
  if (request.url.endsWith('?hang')) return new Promise(() => {});
  if (request.headers.get('upgrade') !== 'websocket') return new Response('sockets only', { status: 426 });
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.onopen = () => socket.send('welcome');
  socket.onmessage = ({ data }) => data === 'bye' ? socket.close(4001, 'as asked') : socket.send(data.toUpperCase());
  return response;
});";

/// A text frame as a client sends it, with a mask of zeros (RFC 6455, section 5.2).
fn frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a short text");
    let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    frame
}

const HANDSHAKE: &str = "host: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Handshake, greeting, echo in capitals, and a close that is asked for.
pub(crate) async fn talk(app: &App, slug: &str) {
    let mut line = Line::of(open(app).await);
    line.send(format!("GET /functions/v1/{slug} HTTP/1.1\r\n{HANDSHAKE}")).await;
    let head = line.until("welcome").await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(
        head.to_ascii_lowercase().contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
        "{head}"
    );
    line.send(frame("hello")).await;
    line.until("HELLO").await;
    line.send(frame("bye")).await;
    line.until("as asked").await;
}

#[tokio::test]
async fn sockets_greet_echo_and_close() {
    let project = Project::empty();
    // A socket is open for as long as it likes; the idle timeout ends the wait for its head only.
    project.configure("[functions.socket.limits]\nidle = \"300ms\"");
    project.function("socket", SOCKET);
    let app = project.with_flags(&["--no-verify-jwt"]).start().await;
    assert_eq!(app.call("GET", "/functions/v1/socket").send().await.status, 426);
    let mut quiet = Line::of(open(&app).await);
    quiet.send(format!("GET /functions/v1/socket HTTP/1.1\r\n{HANDSHAKE}")).await;
    quiet.until("welcome").await;
    talk(&app, "socket").await;
    // The timeout that ends this request began later than the socket's silence.
    let hung = app.call("GET", "/functions/v1/socket?hang").send().await;
    assert_eq!(hung.header("sb-error-code"), Some("IDLE_TIMEOUT"));
    quiet.send(frame("still here")).await;
    quiet.until("STILL HERE").await;
}
