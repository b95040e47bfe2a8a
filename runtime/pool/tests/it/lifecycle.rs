//! Workers that leave: replaced, crashed, idle, shut down.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use isobase_base::{Failure, FailureKind, Invoker};
use isobase_engine::{Publish, Retirement};
use isobase_pool::PoolConfig;

use crate::script::{config, limits, target, theatre, until};

#[tokio::test]
async fn a_publication_replaces_at_once_and_what_runs_finishes() {
    let theatre = Arc::new(theatre(config()));
    theatre.publish("f", 1, limits(1));
    let held = theatre.asking("f", "/hold");
    theatre.holding(1).await;
    theatre.publish("f", 2, limits(1));
    assert_eq!(theatre.answer("f", "/ok").await, "v2 w1");
    assert_eq!(*theatre.stage.retired.lock(), [Retirement::Replaced]);
    assert_eq!(theatre.stage.workers_alive.load(Ordering::SeqCst), 2, "the old one still works");
    theatre.stage.hold_gate.add_permits(1);
    assert_eq!(held.await.unwrap(), "v1 w0");
    until("the old worker ended", || theatre.stage.workers_alive.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replacing_under_load_loses_nothing() {
    let theatre = Arc::new(theatre(PoolConfig { waiters_per_function_max: 1000, ..config() }));
    theatre.publish("f", 1, limits(2));
    let mut callers = Vec::new();
    for _ in 0..8 {
        let theatre = Arc::clone(&theatre);
        #[expect(clippy::disallowed_methods, reason = "the test awaits its outcome")]
        callers.push(tokio::spawn(async move {
            let mut last = 0;
            for _ in 0..200 {
                let answer = theatre.answer("f", "/ok").await;
                let version = answer.strip_prefix('v').and_then(|rest| rest.split(' ').next()?.parse().ok());
                let version: u64 = version.unwrap_or_else(|| panic!("lost: {answer}"));
                assert!(version >= last, "an old version answered after a newer one");
                last = version;
                tokio::task::yield_now().await;
            }
        }));
    }
    for version in 2..50 {
        theatre.publish("f", version, limits(2));
        until("the new version is at work", || theatre.workers() > 0).await;
    }
    for caller in callers {
        caller.await.unwrap();
    }
    until("only the last version is left", || {
        theatre.stage.workers_alive.load(Ordering::SeqCst) == theatre.workers()
    })
    .await;
    assert_eq!(theatre.recorded("f", "ok"), 1600);
}

#[tokio::test]
async fn those_who_wait_get_the_new_version_or_its_failure() {
    let theatre = Arc::new(theatre(PoolConfig { workers_per_function_max: 1, ..config() }));
    theatre.publish("f", 1, limits(1));
    let held = theatre.asking("f", "/hold");
    theatre.holding(1).await;
    let waiting = theatre.asking("f", "/hold");
    theatre.waiting(1).await;
    theatre.publish("f", 2, limits(1));
    theatre.holding(2).await;
    let waiting_again = theatre.asking("f", "/ok");
    theatre.waiting(1).await;
    theatre.publish_source("f", Err(Failure::new(FailureKind::Boot, "index.ts:3:7").into()));
    assert_eq!(waiting_again.await.unwrap(), "boot");
    assert_eq!(theatre.ask("f", "/ok").await.unwrap_err().detail, "index.ts:3:7");
    theatre.stage.hold_gate.add_permits(2);
    assert_eq!((held.await.unwrap(), waiting.await.unwrap()), ("v1 w0".into(), "v2 w1".into()));
}

#[tokio::test]
async fn a_boot_of_an_old_version_is_given_up() {
    let theatre = Arc::new(theatre(config()));
    theatre.stage.boot_gate.forget_permits(1000);
    theatre.publish("f", 1, limits(1));
    let asked = theatre.asking("f", "/ok");
    until("the boot began", || theatre.stage.boots_begun.load(Ordering::SeqCst) == 1).await;
    theatre.publish("f", 2, limits(1));
    theatre.stage.boot_gate.add_permits(1000);
    assert_eq!(asked.await.unwrap(), "v2 w1");
    assert_eq!(theatre.stage.boots_done.load(Ordering::SeqCst), 1);
    assert_eq!(theatre.stage.workers_alive.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_crash_fails_its_own_requests_and_those_who_wait_get_another_worker() {
    let theatre = Arc::new(theatre(PoolConfig { workers_per_function_max: 1, ..config() }));
    theatre.publish("f", 1, limits(1));
    let crashing = theatre.asking("f", "/crash-held");
    theatre.holding(1).await;
    let waiting: Vec<_> = (0..3).map(|_| theatre.asking("f", "/ok")).collect();
    theatre.waiting(3).await;
    theatre.stage.hold_gate.add_permits(1);
    assert_eq!(crashing.await.unwrap(), "cpu");
    for answer in waiting {
        assert_eq!(answer.await.unwrap(), "v1 w1");
    }
    assert_eq!(*theatre.stage.retired.lock(), [Retirement::CpuLimit]);
    assert!(theatre.observer.openmetrics().contains("worker_retirements_total{event=\"cpu\"} 1"));
}

#[tokio::test]
async fn an_idle_worker_is_retired_and_the_next_request_boots_another() {
    let theatre = Arc::new(theatre(PoolConfig { idle_max: Duration::from_millis(20), ..config() }));
    theatre.publish("f", 1, limits(2));
    let held = theatre.asking("f", "/hold");
    theatre.holding(1).await;
    assert_eq!(theatre.answer("f", "/ok").await, "v1 w0");
    theatre.stage.hold_gate.add_permits(1);
    assert_eq!(held.await.unwrap(), "v1 w0", "a busy worker is not idle");
    until("it was retired", || *theatre.stage.retired.lock() == [Retirement::Idle]).await;
    until("it ended", || theatre.stage.workers_alive.load(Ordering::SeqCst) == 0).await;
    assert_eq!(theatre.answer("f", "/ok").await, "v1 w1");
}

#[tokio::test]
async fn a_withdrawn_function_is_gone() {
    let theatre = Arc::new(theatre(PoolConfig { workers_per_function_max: 1, ..config() }));
    theatre.publish("f", 1, limits(1));
    let held = theatre.asking("f", "/hold");
    theatre.holding(1).await;
    let waiting = theatre.asking("f", "/ok");
    theatre.waiting(1).await;
    theatre.pool.withdraw(&target("f"));
    assert_eq!(waiting.await.unwrap(), "not_found");
    assert_eq!(theatre.answer("f", "/ok").await, "not_found");
    assert_eq!(theatre.pool.access(&target("f")), None);
    theatre.stage.hold_gate.add_permits(1);
    assert_eq!(held.await.unwrap(), "v1 w0");
    until("its worker ended", || theatre.stage.workers_alive.load(Ordering::SeqCst) == 0).await;
    theatre.publish("f", 2, limits(1));
    assert_eq!(theatre.answer("f", "/ok").await, "v2 w1");
}

#[tokio::test]
async fn shutdown_lets_requests_finish_and_refuses_new_ones() {
    let theatre = Arc::new(theatre(PoolConfig { workers_per_function_max: 1, ..config() }));
    theatre.publish("f", 1, limits(1));
    let held = theatre.asking("f", "/hold");
    theatre.holding(1).await;
    let waiting = theatre.asking("f", "/ok");
    theatre.waiting(1).await;
    let pool = theatre.pool.clone();
    let deadline = Instant::now() + Duration::from_secs(20);
    #[expect(clippy::disallowed_methods, reason = "the test awaits its outcome")]
    let down = tokio::spawn(async move { pool.shutdown(deadline).await });
    assert_eq!(waiting.await.unwrap(), "cancelled");
    assert_eq!(theatre.answer("f", "/ok").await, "cancelled");
    theatre.publish("g", 1, limits(1));
    assert_eq!(theatre.answer("g", "/ok").await, "not_found", "nothing new while closing");
    assert!(!down.is_finished());
    theatre.stage.hold_gate.add_permits(1);
    assert_eq!(held.await.unwrap(), "v1 w0");
    assert_eq!(down.await.unwrap(), 0);
    assert_eq!(*theatre.stage.retired.lock(), [Retirement::Shutdown]);
}

#[tokio::test]
async fn shutdown_breaks_off_what_streams_beyond_the_deadline() {
    let theatre = theatre(config());
    theatre.publish("f", 1, limits(1));
    let mut response = theatre.ask("f", "/silent").await.unwrap();
    response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(theatre.pool.shutdown(Instant::now() + Duration::from_millis(20)).await, 1);
    assert!(response.body_mut().frame().await.unwrap().is_err());
    assert_eq!((theatre.in_flight(), theatre.recorded("f", "cancelled")), (0, 1));
}

#[tokio::test]
async fn a_dropped_pool_ends_its_workers() {
    let theatre = theatre(config());
    theatre.publish("f", 1, limits(1));
    assert_eq!(theatre.answer("f", "/ok").await, "v1 w0");
    let stage = Arc::clone(&theatre.stage);
    drop(theatre);
    until("its worker ended", || stage.workers_alive.load(Ordering::SeqCst) == 0).await;
}
