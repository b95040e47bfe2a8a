//! A guest that misbehaves ends with the right kind, hurts nobody else, and the next request is
//! fine.

use std::task::Poll;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use isobase_base::{BodyError, FailureKind};
use isobase_engine::{Limits, Reuse};

use crate::harness::{ask, boot, context, get, invoke, limits, text};

const FAULTS: [(&str, FailureKind, &str); 8] = [
    ("/spin", FailureKind::CpuLimit, "used up its CPU time of 200 ms"),
    ("/hoard", FailureKind::MemoryLimit, "more than 32 MiB"),
    ("/panic", FailureKind::Crashed, "the guest panics on purpose"),
    ("/trap", FailureKind::Crashed, "unreachable"),
    ("/overflow", FailureKind::Crashed, "call stack exhausted"),
    ("/exit", FailureKind::Crashed, "exit code 1"),
    ("/spin-after-head", FailureKind::CpuLimit, "CPU time"),
    ("/panic-after-head", FailureKind::Crashed, "panics in its body"),
];

#[tokio::test]
async fn each_fault_ends_with_its_kind_and_the_next_request_is_fine() {
    for reuse in [Reuse::Fresh, Reuse::Sequential] {
        let worker = boot(reuse, limits()).await;
        for (path, kind, said) in FAULTS {
            match invoke(&*worker, get(path)).await {
                Err(failure) => {
                    assert_eq!(failure.kind, kind, "{path}: {failure}");
                    assert!(failure.detail.contains(said), "{path}: {failure}");
                }
                // The head had left; the body breaks off and says why.
                Ok(response) => {
                    let Err(BodyError::Source(why)) = response.into_body().collect(1 << 20).await else {
                        panic!("{path}: the body ended well");
                    };
                    assert!(why.contains(kind.code()) && why.contains(said), "{path}: {why}");
                }
            }
            assert_eq!(worker.retirement(), None, "{path}");
            assert_eq!(text(&*worker, "/hello").await, "hello", "after {path}");
        }
    }
}

#[tokio::test]
async fn a_crash_tells_what_the_guest_said_and_where() {
    let worker = boot(Reuse::Fresh, limits()).await;
    let failure = invoke(&*worker, get("/panic")).await.unwrap_err();
    for part in ["tests/guests/src/misbehave.rs", "on purpose", "unreachable", "rust_panic"] {
        assert!(failure.detail.contains(part), "{part}: {}", failure.detail);
    }
}

#[tokio::test]
async fn what_is_no_response_is_not_sent() {
    let worker = boot(Reuse::Fresh, limits()).await;
    for path in ["/invalid-status", "/invalid-header"] {
        // The SDK turns both into a 500 of its own.
        assert_eq!(ask(&*worker, get(path)).await.unwrap().status, 500, "{path}");
    }
}

#[tokio::test]
async fn a_guest_may_live_with_a_refused_growth() {
    let worker = boot(Reuse::Fresh, limits()).await;
    let pieces: u64 = text(&*worker, "/hoard-politely").await.parse().unwrap();
    assert!((20..32).contains(&pieces), "{pieces} MiB of 32");
}

/// On a runtime of one thread, a guest that spins is interrupted so often that others finish long
/// before it is ended.
#[tokio::test]
async fn a_busy_guest_does_not_hold_up_its_neighbours() {
    let limits = Limits { cpu_max: Duration::from_secs(2), ..limits() };
    let busy = boot(Reuse::Fresh, limits).await;
    let neighbour = boot(Reuse::Fresh, limits).await;
    let mut spinning = std::pin::pin!(invoke(&*busy, get("/spin")));
    let mut answered = 0;
    let failure = loop {
        tokio::select! {
            ended = &mut spinning => break ended.unwrap_err(),
            hello = text(&*neighbour, "/hello") => {
                assert_eq!(hello, "hello");
                answered += 1;
            }
        }
    };
    assert_eq!(failure.kind, FailureKind::CpuLimit);
    assert!(answered > 100, "only {answered} requests were answered meanwhile");
}

/// The limit is of CPU time: a guest that waits in the host does not use it up.
#[tokio::test]
async fn waiting_is_not_computing() {
    let worker = boot(Reuse::Fresh, Limits { cpu_max: Duration::from_millis(50), ..limits() }).await;
    assert_eq!(text(&*worker, "/sleep?millis=400").await, "slept");
}

#[tokio::test]
async fn dropping_an_invocation_stops_the_guest() {
    for path in ["/spin", "/deadlock"] {
        let worker = boot(Reuse::Fresh, Limits { cpu_max: Duration::from_secs(3600), ..limits() }).await;
        let mut invocation = worker.invoke(get(path), context());
        let began = Instant::now();
        std::future::poll_fn(|context| {
            assert!(invocation.as_mut().poll(context).is_pending());
            if worker.memory_bytes() > 0 && began.elapsed() > Duration::from_millis(20) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        drop(invocation);
        assert_eq!(worker.memory_bytes(), 0, "{path}");
        assert_eq!(text(&*worker, "/hello").await, "hello");
    }
}

#[tokio::test]
async fn dropping_a_body_stops_the_guest() {
    let worker = boot(Reuse::Fresh, Limits { cpu_max: Duration::from_secs(3600), ..limits() }).await;
    let mut body = invoke(&*worker, get("/spin-after-head")).await.unwrap().into_body();
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "begun\n");
    assert!(worker.memory_bytes() > 0);
    drop(body);
    assert_eq!(worker.memory_bytes(), 0);
}
