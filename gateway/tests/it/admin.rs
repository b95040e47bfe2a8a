//! The admin port, and what ends up in the metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use isobase_base::task::{self, TaskKind};
use isobase_gateway::Admin;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::client::{self, Wire, request};
use crate::harness::TestGateway;

#[tokio::test]
async fn live_ready_and_metrics() {
    let gateway = TestGateway::start().await;
    let is_ready = Arc::new(AtomicBool::new(false));
    let asked = is_ready.clone();
    let check =
        move || if asked.load(Ordering::SeqCst) { Ok(()) } else { Err("the database is starting".into()) };
    let admin = Admin::new(gateway.observer.clone(), Arc::new(check));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let serving = admin.serve(listener, shutdown.clone());
    task::spawn(TaskKind::Service, "admin", async move {
        serving.await;
    });
    let get = async |path: &str| client::send(address, request(&format!("GET {path}"), &[])).await.unwrap();
    assert_eq!(get("/live").await.status, 200);
    let reply = get("/ready").await;
    assert_eq!((reply.status, reply.text().as_str()), (503, "not ready: the database is starting\n"));
    is_ready.store(true, Ordering::SeqCst);
    assert_eq!(get("/ready").await.status, 200);
    gateway.send("GET /rest/v1/t", &[]).await;
    gateway.until_metric(r#"isobase_requests_total{surface="rest",method="GET",status="200"} 1"#).await;
    let reply = get("/metrics").await;
    assert!(reply.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(reply.text().contains("isobase_requests_total") && reply.text().ends_with("# EOF\n"));
    assert_eq!(get("/").await.status, 404);
    assert_eq!(client::send(address, request("POST /live", &[])).await.unwrap().status, 405);
    shutdown.cancel();
}

#[tokio::test]
async fn each_request_is_observed_once() {
    let gateway = TestGateway::start().await;
    let mut wire = Wire::open(gateway.address).await;
    for _ in 0..3 {
        wire.write(request("GET /rest/v1/t", &[])).await;
        assert_eq!(wire.reply().await.unwrap().status, 200);
    }
    gateway.send("GET /rest/v1/t", &["Authorization: Bearer x"]).await;
    gateway.send("GET /nowhere", &[]).await;
    gateway.send("BREW /rest/v1/t", &[]).await;
    for line in [
        r#"isobase_requests_total{surface="rest",method="GET",status="200"} 3"#,
        r#"isobase_requests_total{surface="rest",method="GET",status="401"} 1"#,
        r#"isobase_requests_total{surface="none",method="GET",status="404"} 1"#,
        r#"isobase_requests_total{surface="rest",method="other",status="200"} 1"#,
        r#"isobase_request_seconds_count{surface="rest"} 5"#,
    ] {
        gateway.until_metric(line).await;
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_observed_and_ends_its_invocation() {
    let gateway = TestGateway::start().await;
    let mut wire = Wire::open(gateway.address).await;
    wire.write(request("GET /functions/v1/held", &[])).await;
    gateway.functions.begun.notified().await;
    drop(wire);
    gateway.until_metric(r#"isobase_requests_total{surface="functions",method="GET",status="499"} 1"#).await;
    assert_eq!(gateway.dropped(), 1);
}
