//! Fresh instances share nothing; reused ones serve one request after another.

use isobase_engine::{Retirement, Reuse};

use crate::harness::{boot, get, invoke, limits, text};

#[tokio::test]
async fn a_fresh_instance_has_seen_nothing() {
    let worker = boot(Reuse::Fresh, limits()).await;
    for _ in 0..3 {
        assert_eq!(text(&*worker, "/count").await, "1");
    }
    assert_eq!(worker.memory_bytes(), 0);
    assert_ne!(text(&*worker, "/random").await, text(&*worker, "/random").await);
}

#[tokio::test]
async fn a_reused_instance_remembers() {
    let worker = boot(Reuse::Sequential, limits()).await;
    for count in 1..5 {
        assert_eq!(text(&*worker, "/count").await, count.to_string());
    }
    assert!(worker.memory_bytes() > 0);
}

#[tokio::test]
async fn requests_at_once_get_an_instance_each() {
    let worker = boot(Reuse::Sequential, limits()).await;
    let both = tokio::join!(
        text(&*worker, "/sleep?millis=50"),
        text(&*worker, "/sleep?millis=50"),
        text(&*worker, "/count")
    );
    assert_eq!((both.0.as_str(), both.1.as_str(), both.2.as_str()), ("slept", "slept", "1"));
}

#[tokio::test]
async fn an_instance_that_crashed_is_thrown_away() {
    let worker = boot(Reuse::Sequential, limits()).await;
    assert_eq!(text(&*worker, "/count").await, "1");
    assert_eq!(text(&*worker, "/count").await, "2");
    invoke(&*worker, get("/panic")).await.unwrap_err();
    assert_eq!(text(&*worker, "/count").await, "1");
}

#[tokio::test]
async fn an_instance_that_was_cancelled_is_thrown_away() {
    let worker = boot(Reuse::Sequential, limits()).await;
    assert_eq!(text(&*worker, "/count").await, "1");
    drop(invoke(&*worker, get("/big?bytes=100000000")).await.unwrap());
    assert_eq!(text(&*worker, "/count").await, "1");
}

#[tokio::test]
async fn an_instance_that_grew_is_replaced() {
    let worker = boot(Reuse::Sequential, limits()).await;
    assert_eq!(text(&*worker, "/keep?bytes=1000000").await, "1");
    assert_eq!(text(&*worker, "/keep?bytes=1000000").await, "2");
    assert_eq!(text(&*worker, "/keep?bytes=20000000").await, "3");
    assert_eq!(text(&*worker, "/keep?bytes=1000000").await, "1");
}

#[tokio::test]
async fn a_streamed_answer_gives_its_instance_back() {
    let worker = boot(Reuse::Sequential, limits()).await;
    assert_eq!(text(&*worker, "/count").await, "1");
    assert_eq!(text(&*worker, "/big?bytes=5000000").await.len(), 5_000_000);
    assert_eq!(text(&*worker, "/count").await, "2");
}

#[tokio::test]
async fn a_retired_worker_keeps_nothing_idle() {
    let worker = boot(Reuse::Sequential, limits()).await;
    assert_eq!(text(&*worker, "/count").await, "1");
    worker.retire(Retirement::Replaced);
    assert_eq!((worker.retirement(), worker.memory_bytes()), (Some(Retirement::Replaced), 0));
    // Requests in flight finish.
    assert_eq!(text(&*worker, "/count").await, "1");
    assert_eq!(worker.memory_bytes(), 0);
}
