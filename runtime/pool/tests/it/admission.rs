//! Who gets a place, who waits, who is refused.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::BodyExt;
use isobase_base::{Access, Body, Invoker};
use isobase_pool::PoolConfig;

use crate::script::{config, limits, target, text, theatre, until};

#[tokio::test]
async fn an_unknown_target_is_not_found_and_not_recorded() {
    let theatre = theatre(config());
    assert_eq!(theatre.answer("nobody", "/ok").await, "not_found");
    assert_eq!(theatre.recorded("nobody", "not_found"), 0, "clients must not grow the metrics");
    assert_eq!(theatre.pool.access(&target("nobody")), None);
    theatre.publish("f", 1, limits(1));
    assert_eq!(theatre.pool.access(&target("f")), Some(Access { verify_jwt: true }));
    assert_eq!(theatre.answer("f", "/ok").await, "v1 w0");
    assert_eq!(theatre.recorded("f", "ok"), 1);
}

#[tokio::test]
async fn places_are_filled_then_workers_booted_then_requests_queued_then_refused() {
    let theatre = Arc::new(theatre(config()));
    theatre.publish("f", 1, limits(2));
    let mut asked: Vec<_> = Vec::new();
    for count in 1..=4 {
        asked.push(theatre.asking("f", "/hold"));
        theatre.holding(count).await;
    }
    assert_eq!(theatre.workers(), 2);
    assert_eq!(theatre.stage.crowd_max.load(Ordering::SeqCst), 2, "concurrency_max holds");
    for count in 1..=4 {
        asked.push(theatre.asking("f", "/hold"));
        theatre.waiting(count).await;
    }
    assert_eq!(theatre.answer("f", "/hold").await, "overloaded");
    assert_eq!(theatre.workers(), 2, "no third worker");
    theatre.stage.hold_gate.add_permits(8);
    for answer in asked {
        let answer = answer.await.unwrap();
        assert!(answer.starts_with("v1 w"), "{answer}");
    }
    until("all places are free", || theatre.in_flight() == 0).await;
    assert_eq!((theatre.recorded("f", "ok"), theatre.recorded("f", "overloaded")), (8, 1));
}

#[tokio::test]
async fn the_least_loaded_worker_is_chosen() {
    let theatre = Arc::new(theatre(config()));
    theatre.publish("f", 1, limits(2));
    let mut asked = Vec::new();
    for count in 1..=3 {
        asked.push(theatre.asking("f", "/hold"));
        theatre.holding(count).await;
    }
    // w0 has two, w1 has one place taken.
    assert_eq!(theatre.answer("f", "/ok").await, "v1 w1");
    theatre.stage.hold_gate.add_permits(3);
    for answer in asked {
        answer.await.unwrap();
    }
}

#[tokio::test]
async fn a_wait_is_bounded_by_the_queue_and_by_the_deadline() {
    let theatre = Arc::new(theatre(PoolConfig {
        workers_per_function_max: 1,
        queue_timeout: Duration::from_millis(30),
        ..config()
    }));
    theatre.publish("f", 1, limits(1));
    let held = theatre.asking("f", "/hold");
    theatre.holding(1).await;
    assert_eq!(theatre.answer("f", "/ok").await, "overloaded", "by the queue");
    let answer = theatre.ask_with("f", "/ok", Body::Empty, Duration::ZERO).await;
    assert_eq!(text(answer).await, "overloaded", "by the deadline");
    theatre.stage.hold_gate.add_permits(1);
    assert_eq!(held.await.unwrap(), "v1 w0");
    assert_eq!(theatre.answer("f", "/ok").await, "v1 w0", "who gave up holds no place");
}

#[tokio::test]
async fn those_who_gave_up_leave_the_queue() {
    let theatre = Arc::new(theatre(PoolConfig {
        workers_per_function_max: 1,
        housekeeping_interval: Duration::from_secs(3600),
        ..config()
    }));
    theatre.publish("f", 1, limits(1));
    let held = theatre.asking("f", "/hold");
    theatre.holding(1).await;
    for _ in 0..4 {
        let waiter = theatre.asking("f", "/ok");
        let before = theatre.pool.status()[0].waiting;
        until("it waits", || theatre.pool.status()[0].waiting > before || before == 4).await;
        waiter.abort();
        assert!(waiter.await.unwrap_err().is_cancelled());
    }
    let last = theatre.asking("f", "/ok");
    theatre.waiting(1).await;
    theatre.stage.hold_gate.add_permits(1);
    assert_eq!(held.await.unwrap(), "v1 w0");
    assert_eq!(last.await.unwrap(), "v1 w0");
}

#[tokio::test]
async fn a_streaming_response_keeps_its_place_until_it_ends_or_is_dropped() {
    let theatre = Arc::new(theatre(PoolConfig { workers_per_function_max: 1, ..config() }));
    theatre.publish("f", 1, limits(1));
    let mut response = theatre.ask("f", "/silent").await.unwrap();
    assert_eq!(response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "x");
    let next = theatre.asking("f", "/ok");
    theatre.waiting(1).await;
    drop(response);
    assert_eq!(next.await.unwrap(), "v1 w0");
    assert_eq!(theatre.recorded("f", "abandoned"), 1);

    let chunks = [Ok(bytes::Bytes::from_static(b"a")), Ok(bytes::Bytes::from_static(b"b"))];
    let body = Body::from_stream(futures::stream::iter(chunks));
    let mut response = theatre.ask_with("f", "/echo", body, Duration::from_secs(60)).await.unwrap();
    response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(theatre.in_flight(), 1);
    assert_eq!(response.into_body().collect(10).await.unwrap(), "b");
    assert_eq!(theatre.in_flight(), 0);
}

#[tokio::test]
async fn a_broken_body_is_the_functions_failure_and_frees_its_place() {
    let theatre = theatre(config());
    theatre.publish("f", 1, limits(1));
    let broken = || Err(isobase_base::BodyError::Source("the database went away".into()));
    let body = Body::from_stream(futures::stream::once(async move { broken() }));
    let response = theatre.ask_with("f", "/echo", body, Duration::from_secs(60)).await;
    assert_eq!(text(response).await, "body: the source of the body failed: the database went away");
    assert_eq!((theatre.recorded("f", "crashed"), theatre.in_flight()), (1, 0));
}

#[tokio::test]
async fn dropping_a_call_cancels_it_and_frees_its_place() {
    let theatre = Arc::new(theatre(config()));
    theatre.publish("f", 1, limits(1));
    let held = theatre.asking("f", "/hold");
    theatre.holding(1).await;
    held.abort();
    assert!(held.await.unwrap_err().is_cancelled());
    assert_eq!(theatre.stage.cancelled.load(Ordering::SeqCst), 1);
    assert_eq!((theatre.in_flight(), theatre.recorded("f", "abandoned")), (0, 1));
}
