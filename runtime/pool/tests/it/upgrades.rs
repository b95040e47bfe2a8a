//! Connections that left HTTP: their invocation lasts as long as they do.

use std::time::{Duration, Instant};

use http::StatusCode;
use isobase_engine::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::script::{config, limits, theatre, until};

#[tokio::test]
async fn an_open_connection_keeps_its_place_until_it_is_closed() {
    let mut config = config();
    config.idle_max = Duration::ZERO;
    let theatre = theatre(config);
    theatre.publish("f", 1, limits(1));
    let (response, mut client) = theatre.offer_upgrade("f", "/upgrade").await;
    assert_eq!(response.unwrap().status(), StatusCode::SWITCHING_PROTOCOLS);
    for message in ["one", "two"] {
        client.write_all(message.as_bytes()).await.unwrap();
        let mut echo = [0; 3];
        client.read_exact(&mut echo).await.unwrap();
        assert_eq!(echo, message.as_bytes());
        assert_eq!((theatre.in_flight(), theatre.workers()), (1, 1), "not idle");
    }
    drop(client);
    until("its worker is idle and retired", || theatre.workers() == 0).await;
    assert_eq!((theatre.in_flight(), theatre.recorded("f", "ok")), (0, 1));
}

#[tokio::test]
async fn the_wall_clock_ends_a_connection_on_which_nothing_happens() {
    let theatre = theatre(config());
    theatre.publish("f", 1, Limits { wall_clock_max: Duration::from_millis(20), ..Limits::default() });
    let (_response, mut client) = theatre.offer_upgrade("f", "/upgrade").await;
    assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0, "the server's end is closed");
    assert_eq!((theatre.in_flight(), theatre.recorded("f", "wall_clock")), (0, 1));
}

#[tokio::test]
async fn a_shutdown_breaks_connections_off() {
    let theatre = theatre(config());
    theatre.publish("f", 1, limits(1));
    let (_response, mut client) = theatre.offer_upgrade("f", "/upgrade").await;
    client.write_all(b"x").await.unwrap();
    client.read_exact(&mut [0; 1]).await.unwrap();
    assert_eq!(theatre.pool.shutdown(Instant::now() + Duration::from_millis(20)).await, 1);
    assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!((theatre.in_flight(), theatre.recorded("f", "cancelled")), (0, 1));
}

#[tokio::test]
async fn an_offer_that_is_not_taken_is_an_ordinary_request() {
    let theatre = theatre(config());
    theatre.publish("f", 1, limits(1));
    let (response, mut client) = theatre.offer_upgrade("f", "/ok").await;
    assert_eq!(response.unwrap().status(), StatusCode::OK);
    assert_eq!((theatre.in_flight(), theatre.recorded("f", "ok")), (0, 1));
    assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
}
