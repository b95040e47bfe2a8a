//! Bodies that one side sends and the other does not read: what waits is bounded, in the function and in the
//! host.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::{field, lines_about, resident};
use crate::app::{App, Project};

/// Half a megabyte may wait in sockets; what the host may hold of one body is far below this.
const GROWTH_MEBIBYTES_MAX: usize = 48;

/// A response of which only the first line was read.
pub(super) struct Unread {
    pub(super) status: u16,
    connection: TcpStream,
}

impl Unread {
    pub(super) async fn open(app: &App, path: &str) -> Self {
        let mut connection = connect(app).await;
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        connection.write_all(request.as_bytes()).await.expect("the gateway reads");
        let mut line = [0; 12];
        connection.read_exact(&mut line).await.expect("the gateway answers");
        let status = std::str::from_utf8(&line[9..]).ok().and_then(|status| status.parse().ok());
        Self { status: status.expect("a status"), connection }
    }
}

/// With little room for what the gateway sends.
async fn connect(app: &App) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let address = ([127, 0, 0, 1], app.project.api_port()).into();
    socket.connect(address).await.expect("the gateway accepts")
}

async fn start(source: &str, limits: &str) -> App {
    let project = Project::empty();
    project.configure(&format!(
        "[functions.neighbour]\nverify_jwt = false\n[functions.guest]\nverify_jwt = false\n[functions.guest.limits]\n{limits}"
    ));
    project.function("neighbour", "Deno.serve(() => new Response('well'))");
    project.function("guest", source);
    project.start().await
}

async fn ask(app: &App, what: &str) -> String {
    app.call("GET", &format!("/functions/v1/guest/{what}")).send().await.text()
}

/// Asks until the number stays as it is.
async fn settled(app: &App, what: &str) -> u64 {
    let mut last = None;
    loop {
        let now: u64 = ask(app, what).await.parse().expect("a number");
        if last == Some(now) {
            return now;
        }
        last = Some(now);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

const ENDLESS: &str = "let pulled = 0;
    Deno.serve((request) => {
        if (request.url.endsWith('/pulled')) return new Response(String(pulled));
        return new Response(new ReadableStream({
            pull(controller) { pulled++; controller.enqueue(new Uint8Array(65_536)); },
            cancel() { console.log('cancelled'); },
        }));
    });";

#[tokio::test]
async fn an_endless_response_waits_for_its_reader() {
    let app = start(ENDLESS, "").await;
    ask(&app, "pulled").await;
    let before = resident(&app);
    let mut unread = Vec::new();
    for _ in 0..8 {
        unread.push(Unread::open(&app, "/functions/v1/guest/endless").await);
    }
    let pulled = settled(&app, "pulled").await;
    assert!(pulled < 8 * 160, "{pulled} chunks of 64 KiB were made for nobody");
    let grown = resident(&app).saturating_sub(before);
    assert!(grown < GROWTH_MEBIBYTES_MAX, "the host grew by {grown} MiB");

    // A byte now and then does not open the gates.
    for _ in 0..20 {
        let mut byte = [0];
        unread[0].connection.read_exact(&mut byte).await.expect("it goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(settled(&app, "pulled").await < 8 * 160);
    assert_eq!(app.call("GET", "/functions/v1/neighbour").send().await.text(), "well");

    drop(unread);
    // Perhaps in two isolates: a busy function gets another.
    let heard =
        || lines_about(&app, "guest").iter().filter(|line| field(line, "message") == "cancelled").count();
    app.until("the function hears that all left", || async { heard() == 8 }).await;
    app.stop().await;
}

#[tokio::test]
async fn a_large_request_that_nobody_reads_stays_with_its_client() {
    let source = "Deno.serve((request) => {
        if (request.url.endsWith('/ignore')) return new Response('ignored');
        return new Promise(() => {});
    });";
    let app = start(source, "idle = \"3s\"").await;
    assert_eq!(ask(&app, "ignore").await, "ignored");
    let before = resident(&app);
    for (path, status) in [("ignore", "200"), ("never", "504")] {
        let (mut reader, mut writer) = connect(&app).await.into_split();
        let head = format!(
            "POST /functions/v1/guest/{path} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        writer.write_all(head.as_bytes()).await.expect("the gateway reads");
        let sending = async {
            let chunk = format!("10000\r\n{}\r\n", "x".repeat(65_536));
            for sent in 0..4096_usize {
                if writer.write_all(chunk.as_bytes()).await.is_err() {
                    return sent;
                }
            }
            4096
        };
        let reading = async {
            let mut line = [0; 12];
            reader.read_exact(&mut line).await.expect("the gateway answers");
            String::from_utf8_lossy(&line[9..]).into_owned()
        };
        let answered = tokio::select! {
            answered = reading => answered,
            sent = sending => panic!("{sent} chunks were taken though nobody reads them"),
        };
        assert_eq!(answered, status, "{path}");
        let grown = resident(&app).saturating_sub(before);
        assert!(grown < GROWTH_MEBIBYTES_MAX, "{path}: the host grew by {grown} MiB");
    }
    assert_eq!(app.call("GET", "/functions/v1/neighbour").send().await.text(), "well");
    app.stop().await;
}

#[tokio::test]
async fn a_large_request_that_is_read_whole_ends_at_the_memory_limit() {
    let source = "Deno.serve(async (request) => {
        if (request.url.endsWith('/again')) return new Response('well');
        return new Response(String((await request.arrayBuffer()).byteLength));
    });";
    let app = start(source, "memory = \"64MiB\"").await;
    let answer = app.call("POST", "/functions/v1/guest").bytes(vec![b'x'; 19 << 20]).send().await;
    assert_eq!(answer.text(), (19 << 20).to_string());
    let large = app.call("POST", "/functions/v1/guest").bytes(vec![b'x'; 200 << 20]).try_send().await;
    // Whatever was first, the bound on bodies or the function's: the connection may be cut in the middle.
    let statuses = large.map(|answer| answer.status.as_u16()).unwrap_or(546);
    assert!([413, 546].contains(&statuses), "{statuses}");
    assert_eq!(ask(&app, "again").await, "well");
    app.stop().await;
}
