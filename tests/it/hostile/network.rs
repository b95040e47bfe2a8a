//! Connections without an end: a function has a bound of its own, and the host keeps descriptors for others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use isobase_base::limits::V8_RESOURCES_MAX;
use isobase_base::task::{self, TaskKind};
use tokio::net::TcpListener;

use crate::app::{App, Project};

/// Accepts all, reads nothing, answers nobody; counts who is connected.
struct Sink {
    port: u16,
    open: Arc<AtomicUsize>,
}

async fn sink() -> Sink {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let open = Arc::new(AtomicUsize::new(0));
    let counted = open.clone();
    task::spawn(TaskKind::Request, "sink", async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let open = counted.clone();
            open.fetch_add(1, Ordering::SeqCst);
            task::spawn(TaskKind::Request, "sunk", async move {
                _ = tokio::io::copy(&mut connection, &mut tokio::io::sink()).await;
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    Sink { port, open }
}

async fn start(sink: &Sink, attack: &str) -> App {
    let project = Project::empty();
    project.configure(
        "[functions.neighbour]\nverify_jwt = false\n[functions.guest]\nverify_jwt = false\n[functions.guest.limits]\ncpu = \"30s\"",
    );
    project.function("neighbour", "Deno.serve(() => new Response('well'))");
    project.function(
        "guest",
        &format!(
            "const port = {}; globalThis.kept = [];
            Deno.serve(async (request) => {{
                if (request.url.endsWith('/again')) return new Response('well');
                {attack}
            }});",
            sink.port
        ),
    );
    project.start().await
}

/// What the function tells of its attempts, and how many connections there were then.
async fn attempt(attack: &str) -> (String, usize) {
    let sink = sink().await;
    let app = start(&sink, attack).await;
    let call = app.call("GET", "/functions/v1/guest").try_send();
    let told = super::beside_a_neighbour(&app, call).await.expect("the neighbour answers");
    let told = told.expect("it answers").text();
    let open = sink.open.load(Ordering::SeqCst);
    assert_eq!(app.call("GET", "/functions/v1/guest/again").send().await.text(), "well");
    app.stop().await;
    (told, open)
}

const BUSY: &str =
    "Busy: this function has 1000 connections, requests and files open, as many as it may; close some first";

/// Of what `code` opens in a function, no more is open than may be.
async fn is_stopped_at_the_bound(code: &str) {
    assert_eq!(V8_RESOURCES_MAX, 1000);
    let (told, open) = attempt(code).await;
    assert_eq!(told, BUSY);
    assert!(open <= V8_RESOURCES_MAX, "{open}");
}

#[tokio::test]
async fn sockets() {
    is_stopped_at_the_bound(
        "try { for (let i = 0; i < 10_000; i++) kept.push(await Deno.connect({ port })); }
         catch (error) { return new Response(`${error.name}: ${error.message}`); }
         return new Response('all');",
    )
    .await;
}

#[tokio::test]
async fn requests() {
    is_stopped_at_the_bound(
        "for (let i = 0; i < 10_000; i++) kept.push(fetch(`http://127.0.0.1:${port}/${i}`).then(() => 'answered', (error) => `${error.name}: ${error.message}`));
         return new Response(await Promise.race(kept));",
    )
    .await;
}

#[tokio::test]
async fn websockets() {
    is_stopped_at_the_bound(
        "try { for (let i = 0; i < 10_000; i++) kept.push(new WebSocket(`ws://127.0.0.1:${port}/${i}`)); }
         catch (error) { return new Response(`${error.name}: ${error.message}`); }
         return new Response('all');",
    )
    .await;
}

#[tokio::test]
async fn requests_with_too_many_headers() {
    let (told, open) = attempt(
        "const headers = new Headers(); for (let i = 0; i < 5_000; i++) headers.append('x-' + i, 'b');
         return new Response(await fetch(`http://127.0.0.1:${port}/`, { headers }).then(() => 'answered', (error) => `${error.name}: ${error.message}`));",
    )
    .await;
    // Two more than the function gave are the platform's.
    assert_eq!(told, "TypeError: the request has 5002 header lines; 1000 are allowed");
    assert_eq!(open, 0);
}

/// The host may have few descriptors: functions are refused while there are some left for clients.
#[tokio::test]
async fn descriptors_of_the_host_are_kept_for_clients() {
    let sink = sink().await;
    let app = start(
        &sink,
        "const { default: net } = await import('node:net');
         const failed = [];
         for (let i = 0; i < 2000 && failed.length === 0; i++) {
             await new Promise((next) => {
                 try { const socket = net.connect(port, '127.0.0.1'); kept.push(socket); socket.on('connect', next).on('error', (error) => { failed.push(error); next(); }); }
                 catch (error) { failed.push(error); next(); }
             });
         }
         return new Response(`${failed[0]?.name}: ${failed[0]?.message}`);",
    )
    .await;
    let limited = std::process::Command::new("prlimit")
        .args(["--pid", &app.process_id().to_string(), "--nofile=700:700"])
        .status();
    if !limited.is_ok_and(|status| status.success()) {
        return;
    }
    let told = app.call("GET", "/functions/v1/guest").send().await.text();
    assert_eq!(told, "Busy: the host has too many connections open; try again later");
    assert_eq!(app.call("GET", "/functions/v1/neighbour").send().await.text(), "well");
    assert!(sink.open.load(Ordering::SeqCst) < 700);
    app.stop().await;
}
