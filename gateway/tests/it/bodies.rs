//! Bodies: streamed both ways, bounded in size and silence.

use std::time::Duration;

use isobase_gateway::GatewayConfig;

use crate::client::{self, Wire, request};
use crate::harness::{TestGateway, eventually};

const BOUND: u64 = 1_000;

fn bounded(config: &mut GatewayConfig) {
    config.limits.function_body_bytes_max = BOUND;
    config.limits.data_body_bytes_max = BOUND;
}

#[tokio::test]
async fn a_length_over_the_bound_is_refused_before_the_body_comes() {
    let gateway = TestGateway::with(bounded).await;
    let reply = gateway.send("POST /functions/v1/sink", &["Content-Length: 1001"]).await;
    assert_eq!((reply.status, reply.header("sb-error-code")), (413, Some("PAYLOAD_TOO_LARGE")));
    let reply = gateway.send("POST /rest/v1/t", &["Content-Length: 99999999999"]).await;
    assert_eq!(
        reply.text(),
        r#"{"code":"PAYLOAD_TOO_LARGE","message":"The request body is longer than 1000 bytes","details":null,"hint":null}"#
    );
    assert_eq!(gateway.invoked(), 0);
}

/// The client is still sending when it is refused; a reset would take the answer from it.
#[tokio::test]
async fn a_refused_upload_learns_why() {
    let gateway = TestGateway::with(bounded).await;
    for _ in 0..10 {
        let mut wire = Wire::open(gateway.address).await;
        wire.write(request("POST /functions/v1/sink", &["Content-Length: 8000000"])).await;
        wire.write(vec![b'x'; 8_000_000]).await;
        assert_eq!(wire.reply().await.unwrap().status, 413);
    }
}

#[tokio::test]
async fn the_bound_itself_is_allowed() {
    let gateway = TestGateway::with(bounded).await;
    let body = "x".repeat(BOUND as usize);
    let head = request("POST /functions/v1/sink", &["Content-Length: 1000"]);
    let reply = client::send(gateway.address, format!("{head}{body}")).await.unwrap();
    assert_eq!((reply.status, reply.text().as_str()), (200, "1000"));
    let head = request("POST /functions/v1/sink", &["Transfer-Encoding: chunked"]);
    let reply = client::send(gateway.address, format!("{head}3e8\r\n{body}\r\n0\r\n\r\n")).await.unwrap();
    assert_eq!((reply.status, reply.text().as_str()), (200, "1000"));
}

#[tokio::test]
async fn a_body_that_grows_over_the_bound_is_413_and_ends_the_invocation() {
    let gateway = TestGateway::with(bounded).await;
    let mut wire = Wire::open(gateway.address).await;
    wire.write(request("POST /functions/v1/stubborn", &["Transfer-Encoding: chunked"])).await;
    for _ in 0..3 {
        wire.write(format!("190\r\n{}\r\n", "x".repeat(400))).await;
    }
    let reply = wire.reply().await.unwrap();
    assert_eq!((reply.status, reply.header("sb-error-code")), (413, Some("PAYLOAD_TOO_LARGE")));
    eventually(|| gateway.dropped() == 1, || "the invocation goes on".into()).await;
    let head = request("POST /functions/v1/sink", &["Transfer-Encoding: chunked"]);
    let reply =
        client::send(gateway.address, format!("{head}3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1_001))).await;
    assert_eq!(reply.unwrap().status, 413, "not the 500 that the function makes of it");
}

#[tokio::test]
async fn a_body_that_stops_coming_is_408() {
    let gateway =
        TestGateway::with(|config| config.limits.body_idle_timeout = Duration::from_millis(50)).await;
    let mut wire = Wire::open(gateway.address).await;
    wire.write(request("POST /functions/v1/stubborn", &["Content-Length: 10"])).await;
    wire.write("12345").await;
    let reply = wire.reply().await.unwrap();
    assert_eq!((reply.status, reply.header("sb-error-code")), (408, Some("REQUEST_TIMEOUT")));
    gateway.until_metric(r#"isobase_connection_events_total{event="too_slow"} 1"#).await;
    eventually(|| gateway.dropped() == 1, || "the invocation goes on".into()).await;
}

#[tokio::test]
async fn chunks_go_through_one_by_one() {
    let gateway = TestGateway::start().await;
    let mut wire = Wire::open(gateway.address).await;
    wire.write(request("POST /functions/v1/echo", &["Transfer-Encoding: chunked"])).await;
    assert_eq!(wire.head().await.unwrap().status, 200, "the response begins before the request ends");
    for _ in 0..50 {
        wire.write("4\r\nping\r\n").await;
        assert_eq!(wire.chunk().await.unwrap(), b"ping");
    }
    wire.write("0\r\n\r\n").await;
    assert_eq!(wire.chunk().await, None);
    wire.write(request("GET /functions/v1/any", &[])).await;
    assert_eq!(wire.reply().await.unwrap().status, 200, "the connection goes on");
}

#[tokio::test]
async fn who_does_not_read_holds_back_the_function_and_is_cut() {
    let gateway = TestGateway::with(|config| {
        config.limits.response_write_timeout = Duration::from_millis(50);
        config.limits.header_read_timeout = Duration::from_millis(50);
    })
    .await;
    let mut wire = Wire::open(gateway.address).await;
    wire.write(request("GET /functions/v1/endless", &[])).await;
    assert_eq!(wire.head().await.unwrap().status, 200);
    gateway.until_metric(r#"isobase_connection_events_total{event="too_slow"} 1"#).await;
    eventually(|| gateway.dropped() == 1, || "the function goes on".into()).await;
    let produced = gateway.produced();
    assert!(produced < 64 * 1024 * 1024, "{produced} bytes were produced for a client that reads none");
}

#[tokio::test]
async fn who_goes_away_ends_the_stream() {
    let gateway = TestGateway::start().await;
    let mut wire = Wire::open(gateway.address).await;
    wire.write(request("GET /functions/v1/endless", &[])).await;
    wire.head().await.unwrap();
    wire.chunk().await.unwrap();
    drop(wire);
    eventually(|| gateway.dropped() == 1, || "the stream goes on".into()).await;
}

#[tokio::test]
async fn a_body_is_asked_for_only_when_it_is_wanted() {
    let gateway = TestGateway::start().await;
    let expects = ["Expect: 100-continue", "Content-Length: 4"];
    let mut wire = Wire::open(gateway.address).await;
    wire.write(request("POST /functions/v1/locked", &expects)).await;
    assert_eq!(wire.reply().await.unwrap().status, 401, "and no 100 before it");
    let mut wire = Wire::open(gateway.address).await;
    wire.write(request("POST /functions/v1/sink", &expects)).await;
    assert_eq!(wire.head().await.unwrap().status, 100);
    wire.write("body").await;
    assert_eq!(wire.reply().await.unwrap().text(), "4");
}
