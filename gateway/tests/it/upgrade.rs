//! Connections that leave HTTP.

use crate::client::{Wire, request};
use crate::harness::TestGateway;
use crate::keyring::user;

const HANDSHAKE: [&str; 2] = ["Connection: keep-alive, Upgrade", "Upgrade: caps"];

#[tokio::test]
async fn bytes_go_both_ways_after_101() {
    let gateway = TestGateway::start().await;
    let mut wire = Wire::open(gateway.address).await;
    let handshake = request("GET /functions/v1/socket", &HANDSHAKE);
    // What follows the handshake at once is not lost.
    wire.write(format!("{handshake}early ")).await;
    let head = wire.head().await.unwrap();
    assert_eq!((head.status, head.header("upgrade")), (101, Some("caps")));
    assert_eq!(wire.read_exactly(6).await, b"EARLY ");
    for _ in 0..100 {
        wire.write("ping").await;
        assert_eq!(wire.read_exactly(4).await, b"PING");
    }
    gateway.until_metric("isobase_connections 1").await;
    drop(wire);
    gateway.until_metric("isobase_connections 0").await;
}

#[tokio::test]
async fn only_functions_and_only_who_asks() {
    let gateway = TestGateway::start().await;
    assert_eq!(gateway.send("GET /functions/v1/socket", &[]).await.status, 426);
    assert_eq!(gateway.send("GET /functions/v1/socket", &["Upgrade: caps"]).await.status, 426);
    let seen = gateway.send("GET /rest/v1/t", &HANDSHAKE).await.json();
    assert!(seen["headers"].get("upgrade").is_none() && seen["headers"].get("connection").is_none());
    assert_eq!(gateway.send("GET /functions/v1/locked", &HANDSHAKE).await.status, 401);
    let bearer = format!("Authorization: Bearer {}", user());
    let seen = gateway.send("GET /functions/v1/locked", &[HANDSHAKE[0], HANDSHAKE[1], &bearer]).await.json();
    assert_eq!(
        (seen["headers"]["connection"].as_str(), seen["headers"]["upgrade"].as_str()),
        (Some("Upgrade"), Some("caps"))
    );
}
