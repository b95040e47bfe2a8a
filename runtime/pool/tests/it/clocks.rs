//! Idle timeout, wall clock and deadline.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::BodyExt;
use isobase_base::{Body, FailureKind};
use isobase_engine::Limits;

use crate::script::{config, text, theatre, until};

const SHORT: Duration = Duration::from_millis(20);

#[tokio::test]
async fn no_head_in_time_is_an_idle_timeout() {
    let theatre = theatre(config());
    theatre.publish("f", 1, Limits { idle_timeout: SHORT, ..Limits::default() });
    let failure = theatre.ask("f", "/never").await.unwrap_err();
    assert_eq!((failure.kind, failure.kind.status().as_u16()), (FailureKind::IdleTimeout, 504));
    assert_eq!(theatre.stage.cancelled.load(Ordering::SeqCst), 1, "the guest was stopped");
    assert_eq!((theatre.in_flight(), theatre.recorded("f", "idle")), (0, 1));
}

#[tokio::test]
async fn the_deadline_of_the_request_ends_the_wait_too() {
    let theatre = theatre(config());
    theatre.publish("f", 1, Limits::default());
    let answer = theatre.ask_with("f", "/never", Body::Empty, SHORT).await;
    assert_eq!(text(answer).await, "idle");
}

#[tokio::test]
async fn the_wall_clock_before_the_head_is_a_resource_limit() {
    let theatre = theatre(config());
    theatre.publish("f", 1, Limits { wall_clock_max: SHORT, ..Limits::default() });
    let failure = theatre.ask("f", "/never").await.unwrap_err();
    assert_eq!((failure.kind, failure.kind.status().as_u16()), (FailureKind::WallClockLimit, 546));
    assert_eq!(theatre.in_flight(), 0);
}

#[tokio::test]
async fn the_wall_clock_after_the_head_breaks_the_body_off() {
    let theatre = theatre(config());
    theatre.publish("f", 1, Limits { wall_clock_max: SHORT, ..Limits::default() });
    let mut response = theatre.ask("f", "/silent").await.unwrap();
    assert_eq!(response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "x");
    let error = response.body_mut().frame().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("ran longer than 20ms"), "{error}");
    assert!(response.body_mut().frame().await.is_none());
    assert_eq!((theatre.in_flight(), theatre.recorded("f", "wall_clock")), (0, 1));
}

#[tokio::test]
async fn the_wall_clock_ends_a_response_that_nobody_reads() {
    let theatre = Arc::new(theatre(config()));
    theatre.publish("f", 1, Limits { wall_clock_max: SHORT, ..Limits::default() });
    let unread = theatre.ask("f", "/silent").await.unwrap();
    until("its place is free", || theatre.in_flight() == 0).await;
    assert_eq!(theatre.recorded("f", "wall_clock"), 1);
    assert!(unread.into_body().collect(10).await.is_err());
}

#[tokio::test]
async fn the_wall_clock_ends_a_response_that_never_pauses() {
    let theatre = Arc::new(theatre(config()));
    theatre.publish("f", 1, Limits { wall_clock_max: SHORT, ..Limits::default() });
    let mut response = theatre.ask("f", "/endless").await.unwrap();
    until("its place is free", || theatre.in_flight() == 0).await;
    assert!(response.body_mut().frame().await.unwrap().is_err());
}
