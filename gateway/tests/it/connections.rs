//! Connections: kept, counted, cut and drained.

use std::time::Duration;

use isobase_gateway::Drained;
use tokio::net::TcpStream;

use crate::client::{Wire, request};
use crate::harness::{TestGateway, eventually};

#[tokio::test]
async fn requests_share_a_connection_and_may_be_pipelined() {
    let gateway = TestGateway::start().await;
    let mut wire = Wire::open(gateway.address).await;
    let both = request("GET /functions/v1/any/1", &[]) + &request("GET /functions/v1/any/2", &[]);
    wire.write(both).await;
    for number in ["1", "2"] {
        let reply = wire.reply().await.unwrap();
        assert_eq!(reply.json()["uri"], format!("http://localhost:54321/any/{number}"));
    }
    wire.write(request("GET /functions/v1/any", &["Connection: close"])).await;
    assert_eq!(wire.reply().await.unwrap().status, 200);
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn slow_and_silent_clients_are_cut() {
    let gateway =
        TestGateway::with(|config| config.limits.header_read_timeout = Duration::from_millis(50)).await;
    let mut silent = Wire::open(gateway.address).await;
    assert!(silent.is_closed().await);
    for head in ["GET /rest", "P", "PRI * HTTP/2", "GET /rest/v1/t HTTP/1.1\r\nHost: a\r\nX: "] {
        let mut slow = Wire::open(gateway.address).await;
        slow.write(head).await;
        assert!(slow.is_closed().await, "{head}");
    }
    let mut kept = Wire::open(gateway.address).await;
    kept.write(request("GET /functions/v1/any", &[])).await;
    assert_eq!(kept.reply().await.unwrap().status, 200);
    assert!(kept.is_closed().await, "idle keep-alive ends too");
    gateway.until_metric(r#"isobase_connection_events_total{event="too_slow"} 4"#).await;
    gateway.until_metric("isobase_connections 0").await;
}

#[tokio::test]
async fn an_open_request_is_not_idle() {
    let gateway =
        TestGateway::with(|config| config.limits.header_read_timeout = Duration::from_millis(20)).await;
    let mut wire = Wire::open(gateway.address).await;
    wire.write(request("GET /functions/v1/held", &[])).await;
    gateway.functions.begun.notified().await;
    // Several idle timeouts pass, as counted by connections that hit theirs.
    for _ in 0..5 {
        assert!(Wire::open(gateway.address).await.is_closed().await);
    }
    gateway.functions.release.notify_one();
    assert_eq!(wire.reply().await.unwrap().text(), "released");
}

#[tokio::test]
async fn beyond_the_cap_connections_wait_for_a_seat() {
    let gateway = TestGateway::with(|config| config.limits.connections_max = 2).await;
    let mut seated = [Wire::open(gateway.address).await, Wire::open(gateway.address).await];
    for wire in &mut seated {
        wire.write(request("GET /functions/v1/any", &[])).await;
        assert_eq!(wire.reply().await.unwrap().status, 200);
    }
    gateway.until_metric(r#"isobase_connection_events_total{event="cap_reached"} 1"#).await;
    let mut waiting = Wire::open(gateway.address).await;
    waiting.write(request("GET /functions/v1/any", &[])).await;
    for wire in &mut seated {
        wire.write(request("GET /functions/v1/any", &[])).await;
        assert_eq!(wire.reply().await.unwrap().status, 200);
    }
    assert_eq!(gateway.invoked(), 4, "the third connection is not served while two are open");
    drop(seated);
    assert_eq!(waiting.reply().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_drain_finishes_what_is_open_and_refuses_the_rest() {
    let gateway = TestGateway::start().await;
    let mut idle = Wire::open(gateway.address).await;
    idle.write(request("GET /functions/v1/any", &[])).await;
    idle.reply().await.unwrap();
    let mut busy = Wire::open(gateway.address).await;
    busy.write(request("GET /functions/v1/held", &[])).await;
    gateway.functions.begun.notified().await;
    gateway.stop();
    assert!(idle.is_closed().await);
    let mut tick = tokio::time::interval(Duration::from_millis(2));
    while TcpStream::connect(gateway.address).await.is_ok() {
        tick.tick().await;
    }
    gateway.functions.release.notify_one();
    assert_eq!(busy.reply().await.unwrap().text(), "released");
    assert!(busy.is_closed().await);
    assert_eq!(gateway.drained().await, Drained::Clean);
}

#[tokio::test]
async fn what_outlasts_the_drain_is_cut() {
    let gateway = TestGateway::with(|config| config.limits.drain_timeout = Duration::from_millis(50)).await;
    let mut busy = Wire::open(gateway.address).await;
    busy.write(request("GET /functions/v1/never", &[])).await;
    eventually(|| gateway.invoked() == 1, || "not invoked".into()).await;
    gateway.stop();
    assert!(busy.is_closed().await);
    eventually(|| gateway.dropped() == 1, || "the invocation goes on".into()).await;
    assert_eq!(gateway.drained().await, Drained::Cut { connections: 1 });
}
