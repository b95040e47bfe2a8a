//! How workers come to be, and what happens when they do not.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use isobase_base::{Body, Failure, FailureKind};
use isobase_engine::{Absent, Limits};
use isobase_pool::PoolConfig;

use crate::script::{BootStep, config, limits, target, theatre, theatre_that_pauses, until};

#[tokio::test]
async fn many_first_requests_share_one_boot() {
    let theatre = Arc::new(theatre(config()));
    theatre.stage.boot_gate.forget_permits(1000);
    theatre.publish("f", 1, limits(100));
    let asked: Vec<_> = (0..4).map(|_| theatre.asking("f", "/ok")).collect();
    theatre.waiting(4).await;
    theatre.stage.boot_gate.add_permits(1000);
    for answer in asked {
        assert_eq!(answer.await.unwrap(), "v1 w0");
    }
    assert_eq!(theatre.stage.boots_begun.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn workers_that_make_requests_wait_get_company_up_to_the_bound() {
    let theatre = theatre(PoolConfig { workers_per_function_max: 2, ..config() });
    let done = |count: usize| theatre.stage.boots_done.load(Ordering::SeqCst) == count;
    theatre.publish("f", 1, limits(100));
    theatre.stage.queue_delay_micros.store(900, Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(theatre.answer("f", "/ok").await, "v1 w0");
    }
    theatre.stage.queue_delay_micros.store(1_100, Ordering::SeqCst);
    assert_eq!(theatre.answer("f", "/ok").await, "v1 w0", "nobody waits for the other");
    until("the second is there", || done(2)).await;
    for _ in 0..3 {
        theatre.answer("f", "/ok").await;
    }
    assert_eq!(theatre.stage.boots_begun.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_boot_that_fails_in_the_function_is_not_repeated_until_the_next_publication() {
    let theatre = theatre(config());
    let failure = Failure::new(FailureKind::Boot, "index.ts:1:1");
    theatre.stage.boot_script.lock().push(BootStep::Fail(failure));
    theatre.publish("f", 1, limits(1));
    for _ in 0..3 {
        assert_eq!(theatre.ask("f", "/ok").await.unwrap_err().detail, "index.ts:1:1");
    }
    assert_eq!(theatre.stage.boots_begun.load(Ordering::SeqCst), 1);
    assert_eq!(theatre.recorded("f", "boot"), 3);
    theatre.publish("f", 2, limits(1));
    until("who mends it need not ask", || theatre.stage.boots_done.load(Ordering::SeqCst) == 1).await;
    assert_eq!(theatre.answer("f", "/ok").await, "v2 w1");
}

#[tokio::test]
async fn what_may_be_paused_has_one_worker_from_the_start_and_no_clocks() {
    let short = Duration::from_millis(10);
    let config = PoolConfig { queue_timeout: short, idle_max: short, ..config() };
    let theatre = Arc::new(theatre_that_pauses(config));
    theatre.publish("f", 1, Limits { idle_timeout: short, wall_clock_max: short, ..limits(1) });
    until("it has a worker", || theatre.workers() == 1).await;
    theatre.stage.queue_delay_micros.store(5_000, Ordering::SeqCst);
    let (held, waits) = (theatre.asking("f", "/hold"), theatre.asking("f", "/ok"));
    theatre.holding(1).await;
    theatre.waiting(1).await;
    let paused = Instant::now();
    until("all clocks would have run out", || paused.elapsed() > 10 * short).await;
    theatre.stage.hold_gate.add_permits(1);
    assert_eq!((held.await.unwrap().as_str(), waits.await.unwrap().as_str()), ("v1 w0", "v1 w0"));
    let idle = Instant::now();
    until("it would have been retired", || idle.elapsed() > 10 * short).await;
    assert_eq!((theatre.workers(), theatre.stage.boots_begun.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn a_boot_that_fails_in_the_host_is_tried_again() {
    let theatre = theatre(PoolConfig { boot_retry_after: Duration::ZERO, ..config() });
    let steps = [BootStep::Fail(Failure::new(FailureKind::Host, "no thread")), BootStep::Panic];
    theatre.stage.boot_script.lock().extend(steps);
    theatre.publish("f", 1, limits(1));
    assert_eq!(theatre.answer("f", "/ok").await, "host");
    assert_eq!(theatre.answer("f", "/ok").await, "host", "a panic in an engine is an outcome too");
    assert_eq!(theatre.answer("f", "/ok").await, "v1 w2");
}

#[tokio::test]
async fn a_boot_that_takes_too_long_fails() {
    let config = PoolConfig { boot_timeout: Duration::from_millis(20), ..config() };
    let theatre = theatre(config);
    theatre.stage.boot_script.lock().push(BootStep::Never);
    theatre.publish("f", 1, limits(1));
    let failure = theatre.ask("f", "/ok").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Boot);
    assert!(failure.detail.contains("did not start within 20ms"), "{}", failure.detail);
}

#[tokio::test]
async fn a_failed_second_boot_leaves_the_first_worker_at_work() {
    let theatre = Arc::new(theatre(config()));
    theatre.publish("f", 1, limits(1));
    let held = theatre.asking("f", "/hold");
    theatre.holding(1).await;
    theatre.stage.boot_script.lock().push(BootStep::Fail(Failure::new(FailureKind::Host, "no thread")));
    let waiting = theatre.asking("f", "/ok");
    until("the second boot failed", || {
        theatre.stage.boots_begun.load(Ordering::SeqCst) == 2 && theatre.pool.status()[0].booting == 0
    })
    .await;
    theatre.stage.hold_gate.add_permits(1);
    assert_eq!(held.await.unwrap(), "v1 w0");
    assert_eq!(waiting.await.unwrap(), "v1 w0");
}

#[tokio::test]
async fn prewarm_boots_and_tells_the_outcome() {
    let theatre = theatre(config());
    assert_eq!(theatre.pool.prewarm(&target("f")).await.unwrap_err().kind, FailureKind::NotFound);
    theatre.publish("f", 1, limits(1));
    theatre.pool.prewarm(&target("f")).await.unwrap();
    theatre.pool.prewarm(&target("f")).await.unwrap();
    assert_eq!(theatre.stage.boots_done.load(Ordering::SeqCst), 1);
    theatre.publish("g", 1, limits(1));
    theatre.pool.warm(&target("g"));
    until("g has a worker", || theatre.stage.boots_done.load(Ordering::SeqCst) == 2).await;
    theatre.publish_source("h", Err(Failure::new(FailureKind::Boot, "broken").into()));
    assert_eq!(theatre.pool.prewarm(&target("h")).await.unwrap_err().detail, "broken");
}

#[tokio::test]
async fn a_full_host_evicts_the_worker_idle_longest() {
    let theatre = Arc::new(theatre(PoolConfig { workers_total_max: 2, ..config() }));
    for slug in ["a", "b", "c"] {
        theatre.publish(slug, 1, limits(1));
    }
    let held = theatre.asking("a", "/hold");
    theatre.holding(1).await;
    assert_eq!(theatre.answer("b", "/ok").await, "v1 w1");
    assert_eq!(theatre.answer("c", "/ok").await, "v1 w2", "b's worker made room");
    assert_eq!(theatre.stage.workers_alive.load(Ordering::SeqCst), 2);
    let idle = theatre.pool.status().into_iter().filter(|lane| lane.workers == 0).map(|lane| lane.target);
    assert_eq!(idle.collect::<Vec<_>>(), [target("b")]);
    theatre.stage.hold_gate.add_permits(1);
    assert_eq!(held.await.unwrap(), "v1 w0");
}

#[tokio::test]
async fn a_host_full_of_busy_workers_refuses_after_the_queue_timeout() {
    let queue_timeout = Duration::from_millis(30);
    let theatre = Arc::new(theatre(PoolConfig { workers_total_max: 1, queue_timeout, ..config() }));
    theatre.publish("a", 1, limits(1));
    theatre.publish("b", 1, limits(1));
    let held = theatre.asking("a", "/hold");
    theatre.holding(1).await;
    assert_eq!(theatre.answer("b", "/ok").await, "overloaded");
    theatre.stage.hold_gate.add_permits(1);
    assert_eq!(held.await.unwrap(), "v1 w0");
}

#[tokio::test]
async fn requests_wait_for_a_first_build() {
    let theatre = Arc::new(theatre(config()));
    for outcome in ["built", "broken"] {
        theatre.publish_source("f", Err(Absent::Building));
        let waiting = theatre.asking("f", "/ok");
        theatre.waiting(1).await;
        assert_eq!(theatre.workers(), 0, "there is nothing to boot");
        if outcome == "built" {
            theatre.publish("f", 1, limits(1));
            assert_eq!(waiting.await.unwrap(), "v1 w0");
        } else {
            theatre.publish_source("f", Err(Failure::new(FailureKind::Boot, "no such crate").into()));
            assert_eq!(waiting.await.unwrap(), "boot");
        }
    }
    theatre.publish_source("g", Err(Absent::Building));
    let late = theatre.ask_with("g", "/ok", Body::Empty, Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(late.kind, FailureKind::Overloaded);
    assert!(late.detail.starts_with("no worker was built in"), "{}", late.detail);
}
