//! Results of any size through the whole host, in constant memory: to clients that read, that read slowly,
//! that do not read, and that hang up.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::app::{ALICE, App, Project};

const RESULT_BYTES: usize = 200_000_000;
/// What the host may hold more than before while one of these is on its way, in MiB.
const GROWTH_MEBIBYTES_MAX: usize = 32;
/// More than the pool has connections.
const UNREAD: usize = 24;

const SCHEMA: &str = "
    create table public.written (bytes int);
    create function public.large(bytes int) returns text language sql stable as
    $$ select repeat('0123456789', bytes / 10) $$;
    create function public.writes(bytes int) returns text language sql volatile as
    $$ insert into public.written values (bytes); select repeat('0123456789', bytes / 10) $$;
    create view public.numbers as select generate_series(1, 400000) as n, repeat('x', 190) as filler;
    create view public.endless as select generate_series(1, 2000000000) as n, repeat('x', 900) as filler;
    grant all on public.written, public.numbers, public.endless to authenticated;";

/// A response under way, read by hand.
struct Reading {
    socket: TcpStream,
    head: String,
    /// Of the body, read along with the head.
    ahead: Vec<u8>,
}

impl Reading {
    /// Asks as a user and reads the head. With little room in the client's socket.
    async fn begin(app: &App, method: &str, path: &str, headers: &str, body: &str) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(64 * 1024).expect("a small buffer");
        let address = ([127, 0, 0, 1], app.project.api_port()).into();
        let mut socket = socket.connect(address).await.expect("the gateway accepts");
        let (key, token) = (app.value("PUBLISHABLE_KEY"), app.token(ALICE));
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\napikey: {key}\r\n\
             authorization: Bearer {token}\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        socket.write_all(request.as_bytes()).await.expect("the gateway reads");
        let mut ahead = Vec::new();
        let end = loop {
            let read = socket.read_buf(&mut ahead).await.expect("the gateway answers");
            assert!(read > 0, "no head: {}", String::from_utf8_lossy(&ahead));
            if let Some(end) = ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let body = ahead.split_off(end);
        let head = String::from_utf8(ahead).expect("heads are text").to_lowercase();
        Self { socket, head, ahead: body }
    }

    fn status(&self) -> &str {
        &self.head[9..12]
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Reads `bytes` or to the end, told of the number so far after each read; how many there were.
    async fn read(&mut self, bytes: usize, mut told: impl AsyncFnMut(usize)) -> usize {
        let mut scrap = vec![0; 256 * 1024];
        let mut count = std::mem::take(&mut self.ahead).len();
        while count < bytes {
            match self.socket.read(&mut scrap).await {
                Ok(0) | Err(_) => break,
                Ok(read) => count += read,
            }
            told(count).await;
        }
        count
    }
}

fn resident(app: &App) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", app.process_id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok()).expect("a size") / 1024
}

/// Server processes at work on a statement, or in a transaction, for users.
async fn at_work(app: &App) -> String {
    let sql =
        "select count(*)::text from pg_stat_activity where usename like '%authenticator' and state <> 'idle'";
    app.host_sql(sql).await.swap_remove(0).swap_remove(0).unwrap_or_default()
}

async fn start() -> App {
    let project = Project::empty();
    project.configure("[api]\nmax_rows = 2000000000");
    let app = project.start().await;
    app.sql(SCHEMA).await;
    app.until("the functions are known", || async {
        app.user(ALICE, "GET", "/rest/v1/rpc/large?bytes=10").send().await.status == 200
    })
    .await;
    // What the first large results leave behind, in allocators and pools, is not theirs.
    for _ in 0..3 {
        let large = app.user(ALICE, "GET", "/rest/v1/rpc/large?bytes=5000000").send().await;
        assert_eq!(large.body.len(), 5_000_002);
    }
    app
}

#[tokio::test]
async fn a_large_result_passes_in_constant_memory() {
    let app = start().await;
    let path = format!("/rest/v1/rpc/large?bytes={RESULT_BYTES}");
    for pause in [Duration::ZERO, Duration::from_millis(2)] {
        let before = resident(&app);
        let mut most = before;
        let mut reading = Reading::begin(&app, "GET", &path, "", "").await;
        assert_eq!((reading.status(), reading.header("content-length")), ("200", Some("200000002")));
        let count = reading
            .read(usize::MAX, async |count| {
                most = most.max(resident(&app));
                // Half of it slowly, so that it waits on the disk.
                if !pause.is_zero() && count < RESULT_BYTES / 2 {
                    tokio::time::sleep(pause).await;
                }
            })
            .await;
        assert_eq!(count, RESULT_BYTES + 2);
        let grown = most.saturating_sub(before);
        assert!(grown < GROWTH_MEBIBYTES_MAX, "the host grew by {grown} MiB");
    }
}

#[tokio::test]
async fn a_large_result_of_a_write_is_answered_after_its_commit() {
    let app = start().await;
    let before = resident(&app);
    let body = format!("{{\"bytes\":{RESULT_BYTES}}}");
    let json = "content-type: application/json\r\n";
    let mut reading = Reading::begin(&app, "POST", "/rest/v1/rpc/writes", json, &body).await;
    assert_eq!(reading.status(), "200", "{}", reading.head);
    // The head is out: it is there for everybody, and no connection is held.
    let rows = app.sql("select bytes::text from public.written").await;
    assert_eq!(rows, [[Some(RESULT_BYTES.to_string())]]);
    assert_eq!(at_work(&app).await, "0");
    let mut most = resident(&app);
    let count = reading.read(usize::MAX, async |_| most = most.max(resident(&app))).await;
    assert_eq!(count, RESULT_BYTES + 2);
    let grown = most.saturating_sub(before);
    assert!(grown < GROWTH_MEBIBYTES_MAX, "the host grew by {grown} MiB");
}

#[tokio::test]
async fn lines_have_no_end_and_need_no_memory() {
    let app = start().await;
    let lines = "accept: application/x-ndjson\r\n";
    let before = resident(&app);
    let mut most = before;
    let mut reading = Reading::begin(&app, "GET", "/rest/v1/numbers", lines, "").await;
    assert_eq!((reading.status(), reading.header("content-range")), ("200", None));
    let count = reading.read(usize::MAX, async |_| most = most.max(resident(&app))).await;
    assert!(count > 80_000_000, "{count} bytes");
    let grown = most.saturating_sub(before);
    assert!(grown < GROWTH_MEBIBYTES_MAX, "the host grew by {grown} MiB");

    let few =
        app.user(ALICE, "GET", "/rest/v1/numbers?select=n&n=lt.4").header("accept", "application/x-ndjson");
    let few = few.send().await;
    assert_eq!(
        (few.header("content-range"), few.text().as_str()),
        (Some("0-2/*"), "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n")
    );
}

#[tokio::test]
async fn who_hangs_up_ends_the_statement() {
    let app = start().await;
    let mut reading =
        Reading::begin(&app, "GET", "/rest/v1/endless", "accept: application/x-ndjson\r\n", "").await;
    assert!(reading.read(5_000_000, async |_| {}).await >= 5_000_000);
    assert_eq!(at_work(&app).await, "1");
    drop(reading);
    app.until("the statement was cancelled", || async { at_work(&app).await == "0" }).await;
    assert_eq!(app.user(ALICE, "GET", "/rest/v1/numbers?limit=1&select=n").send().await.status, 200);
}

#[tokio::test]
async fn who_does_not_read_holds_no_connection() {
    let app = start().await;
    let before = resident(&app);
    let path = "/rest/v1/rpc/large?bytes=30000000";
    let mut unread = Vec::new();
    for _ in 0..UNREAD {
        unread.push(Reading::begin(&app, "GET", path, "", "").await);
    }
    assert!(unread.iter().all(|reading| reading.status() == "200"));
    let small = app.user(ALICE, "GET", "/rest/v1/rpc/large?bytes=10").send().await;
    assert_eq!(small.status, 200, "others are served");
    app.until("no connection is held", || async { at_work(&app).await == "0" }).await;
    let grown = resident(&app).saturating_sub(before);
    assert!(grown < 2 * GROWTH_MEBIBYTES_MAX, "the host grew by {grown} MiB");
    for mut reading in unread {
        assert_eq!(reading.read(usize::MAX, async |_| {}).await, 30_000_002);
    }
}

#[tokio::test]
async fn a_result_that_breaks_off_is_never_whole() {
    let app = start().await;
    let lines = "accept: application/x-ndjson\r\n";
    let mut reading = Reading::begin(&app, "GET", "/rest/v1/endless", lines, "").await;
    assert!(reading.read(2_000_000, async |_| {}).await >= 2_000_000);
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where state = 'active' and query like '%\"endless\"%' \
               and pid <> pg_backend_pid()";
    app.host_sql(end).await;
    let mut tail = Vec::new();
    _ = reading.socket.read_to_end(&mut tail).await;
    // The last chunk of a body that is whole is empty (RFC 9112 §7.1).
    assert!(!tail.ends_with(b"0\r\n\r\n"), "it looks whole");
    assert_eq!(app.user(ALICE, "GET", "/rest/v1/numbers?limit=1&select=n").send().await.status, 200);
}
