//! Memory of all functions together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use isobase_engine::Retirement;
use isobase_pool::PoolConfig;

use crate::script::{Theatre, config, limits, theatre, until};

/// Room for two workers and a half, of those that the stage makes.
fn small() -> PoolConfig {
    PoolConfig { memory_bytes_max: 2500, ..config() }
}

/// The functions that have a worker.
fn at_work(theatre: &Theatre) -> Vec<String> {
    let lanes = theatre.pool.status().into_iter().filter(|lane| lane.workers > 0);
    let mut slugs: Vec<_> = lanes.map(|lane| lane.target.slug().to_string()).collect();
    slugs.sort();
    slugs
}

#[tokio::test]
async fn who_is_idle_longest_goes_first() {
    let theatre = theatre(small());
    for slug in ["a", "b", "c", "d"] {
        theatre.publish(slug, 1, limits(1));
        assert_eq!(theatre.answer(slug, "/ok").await.split(' ').next(), Some("v1"));
    }
    until("two are left", || at_work(&theatre) == ["c", "d"]).await;
    assert_eq!(*theatre.stage.retired.lock(), [Retirement::MemoryPressure; 2]);
    assert!(theatre.observer.openmetrics().contains("worker_retirements_total{event=\"memory_pressure\"} 2"));
    assert_eq!(theatre.answer("a", "/ok").await, "v1 w4", "and who is asked for comes back");
    until("for who is idle longest now", || at_work(&theatre) == ["a", "d"]).await;
}

#[tokio::test]
async fn a_worker_at_work_stays() {
    let theatre = Arc::new(theatre(small()));
    theatre.publish("old", 1, limits(1));
    let held = theatre.asking("old", "/hold");
    theatre.holding(1).await;
    for slug in ["b", "c", "d"] {
        theatre.publish(slug, 1, limits(1));
        assert!(theatre.answer(slug, "/ok").await.starts_with("v1"), "{slug}");
    }
    until("two are left", || at_work(&theatre) == ["d", "old"]).await;
    theatre.stage.hold_gate.add_permits(1);
    assert_eq!(held.await.unwrap(), "v1 w0");
}

#[tokio::test]
async fn when_all_are_at_work_nobody_else_starts_until_memory_is_free() {
    let theatre = Arc::new(theatre(PoolConfig { memory_bytes_max: 1500, ..config() }));
    for slug in ["a", "b", "c"] {
        theatre.publish(slug, 1, limits(1));
    }
    let (first, second) = (theatre.asking("a", "/hold"), theatre.asking("b", "/hold"));
    theatre.holding(2).await;
    // The two are counted by then: housekeeping has looked at least once.
    until("it is noticed", || theatre.pool.memory_held() == 2000).await;
    let waiting = theatre.asking("c", "/ok");
    theatre.waiting(1).await;
    assert_eq!(theatre.stage.boots_begun.load(Ordering::SeqCst), 2);
    theatre.stage.hold_gate.add_permits(2);
    assert_eq!(waiting.await.unwrap(), "v1 w2");
    assert!(first.await.unwrap().starts_with("v1") && second.await.unwrap().starts_with("v1"));
}

#[tokio::test]
async fn who_finds_no_memory_in_time_is_told() {
    let config = PoolConfig { memory_bytes_max: 500, queue_timeout: Duration::from_millis(100), ..config() };
    let theatre = Arc::new(theatre(config));
    theatre.publish("a", 1, limits(1));
    theatre.publish("b", 1, limits(1));
    let held = theatre.asking("a", "/hold");
    theatre.holding(1).await;
    until("it is noticed", || theatre.pool.memory_held() == 1000).await;
    let failure = theatre.ask("b", "/ok").await.unwrap_err();
    assert_eq!(failure.kind.reason(), "overloaded");
    assert!(failure.detail.contains("functions at work hold all"), "{failure}");
    theatre.stage.hold_gate.add_permits(1);
    assert_eq!(held.await.unwrap(), "v1 w0");
}

/// What workers do not see counts too: here the process holds more than all of them.
#[tokio::test]
async fn a_process_that_holds_more_than_its_workers_say_retires_the_idle() {
    static RESIDENT: AtomicU64 = AtomicU64::new(10_000);
    let resident_bytes = || RESIDENT.load(Ordering::SeqCst);
    let theatre = theatre(PoolConfig { resident_bytes, memory_bytes_max: 3500, ..config() });
    theatre.publish("a", 1, limits(1));
    RESIDENT.fetch_add(4000, Ordering::SeqCst);
    assert_eq!(theatre.answer("a", "/ok").await, "v1 w0");
    until("it went", || at_work(&theatre).is_empty()).await;
    assert_eq!(theatre.answer("a", "/ok").await, "v1 w1", "but functions start all the same");
}
