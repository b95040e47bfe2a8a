//! What a function is told of its life, and what it may still do at the end of it.

use std::time::{Duration, Instant};

use isobase_engine::{Retirement, Usage, Worker};

use crate::faults::threads_of;
use crate::support::{context, eventually, function, get, logged, read};

/// Logs each event of its life, then runs `code`.
fn telling(code: &str) -> String {
    format!(
        "for (const name of ['load', 'beforeunload', 'drain', 'unload']) {{
            addEventListener(name, (event) => console.log([name, event.detail?.reason].join(' ').trim()));
        }}
        {code}"
    )
}

const SLOW_WORK: &str = "Deno.serve(() => {
    EdgeRuntime.waitUntil(new Promise((resolve) => setTimeout(() => { console.log('work done'); resolve(); }, 300)));
    return new Response('at once');
})";

async fn ask(worker: &dyn Worker) -> String {
    read(worker.invoke(get("/"), context()).await).await
}

#[tokio::test]
async fn a_replaced_worker_finishes_its_work_though_nobody_holds_it() {
    for (slug, reason, told) in [
        ("ends-replaced", Retirement::Replaced, "termination"),
        ("ends-idle", Retirement::Idle, "early_drop"),
        ("ends-shutdown", Retirement::Shutdown, "termination"),
    ] {
        let worker = function(slug, &telling(SLOW_WORK)).boot().await.unwrap();
        assert_eq!(ask(&*worker).await, "200 at once");
        worker.retire(reason);
        drop(worker);
        eventually("the unload event", || logged(slug).contains(&"info unload".to_owned())).await;
        let expected = ["load", &format!("beforeunload {told}"), "drain", "work done", "unload"]
            .map(|text| format!("info {text}"));
        assert_eq!(logged(slug), expected, "{slug}");
        eventually("the end of the thread", || threads_of(&format!("fn:{slug:.12}")) == 0).await;
    }
}

/// A request may have got its place just before: it must not be lost.
#[tokio::test]
async fn a_retired_worker_serves_who_still_holds_it() {
    let worker = function("retired", "Deno.serve(() => new Response('well'))").boot().await.unwrap();
    worker.retire(Retirement::Replaced);
    for _ in 0..20 {
        assert_eq!(ask(&*worker).await, "200 well");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(worker);
    eventually("the end of the thread", || threads_of("fn:retired") == 0).await;
}

#[tokio::test]
async fn a_worker_that_nobody_retired_ends_when_dropped() {
    let worker = function("dropped-work", SLOW_WORK).boot().await.unwrap();
    assert_eq!(ask(&*worker).await, "200 at once");
    drop(worker);
    eventually("the end of the thread", || threads_of("fn:dropped-work") == 0).await;
    assert!(logged("dropped-work").is_empty());
}

#[tokio::test]
async fn work_after_the_response_ends_at_the_wall_clock() {
    let code = telling(
        "Deno.serve(() => {
            EdgeRuntime.waitUntil(new Promise(() => {}));
            return new Response('at once');
        })",
    );
    let wall_clock = Duration::from_secs(1);
    let worker = function("wall-work", &code).wall_clock(wall_clock).boot().await.unwrap();
    let began = Instant::now();
    assert_eq!(ask(&*worker).await, "200 at once");
    eventually("the warning", || logged("wall-work").contains(&"info beforeunload wall_clock".to_owned()))
        .await;
    assert!(began.elapsed() >= wall_clock / 10 * 9);
    assert_eq!(worker.retirement(), Some(Retirement::WallClockLimit));
    drop(worker);
    eventually("the unload event", || logged("wall-work").contains(&"info unload".to_owned())).await;
    assert!(began.elapsed() >= wall_clock);
    let lines = logged("wall-work");
    assert!(lines.contains(&"error the invocation ran longer than 1s".to_owned()), "{lines:?}");
}

#[tokio::test]
async fn work_after_the_response_counts_against_its_cpu_time() {
    let code = telling(
        "async function work() {
            for (;;) {
                const until = performance.now() + 10;
                while (performance.now() < until);
                await new Promise((resolve) => setTimeout(resolve, 0));
            }
        }
        Deno.serve(() => {
            EdgeRuntime.waitUntil(work());
            return new Response('at once');
        })",
    );
    let worker = function("cpu-work", &code).cpu(Duration::from_millis(400)).boot().await.unwrap();
    assert_eq!(ask(&*worker).await, "200 at once");
    eventually("the retirement", || worker.retirement() == Some(Retirement::CpuLimit)).await;
    drop(worker);
    eventually("the end of the thread", || threads_of("fn:cpu-work") == 0).await;
    let lines = logged("cpu-work");
    assert!(lines.contains(&"info beforeunload cpu".to_owned()), "{lines:?}");
    assert!(lines.contains(&"error more than 400 ms of CPU time".to_owned()), "{lines:?}");
}

#[tokio::test]
async fn a_nearly_full_memory_takes_no_more_requests() {
    let code = telling(
        "const kept = [];
        Deno.serve(() => {
            for (let i = 0; i < 30; i++) kept.push(new Uint8Array(1 << 20));
            return new Response(String(kept.length));
        })",
    );
    let worker = function("memory-near", &code).memory(64).boot().await.unwrap();
    assert_eq!(ask(&*worker).await, "200 30");
    assert_eq!(worker.retirement(), None);
    // 60 MiB and the heap are above 57.6, and 64 is not reached yet.
    let code = "const kept = [];
    addEventListener('beforeunload', async () => { await null; console.log('in another turn'); });
    Deno.serve(() => {
        for (let i = 0; i < 56; i++) kept.push(new Uint8Array(1 << 20));
        return new Response(String(kept.length));
    })";
    let worker = function("memory-full", &telling(code)).memory(64).boot().await.unwrap();
    assert_eq!(ask(&*worker).await, "200 56");
    eventually("the retirement", || worker.retirement() == Some(Retirement::MemoryLimit)).await;
    eventually("the warning", || logged("memory-full").contains(&"info beforeunload memory".to_owned()))
        .await;
    eventually("its turn", || logged("memory-full").contains(&"info in another turn".to_owned())).await;
}

#[tokio::test]
async fn garbage_is_no_reason_to_leave() {
    let code = telling(
        "Deno.serve(() => {
            let last;
            for (let i = 0; i < 56; i++) last = new Uint8Array(1 << 20);
            return new Response(String(last.length));
        })",
    );
    let worker = function("garbage", &code).memory(64).boot().await.unwrap();
    for _ in 0..3 {
        assert_eq!(ask(&*worker).await, "200 1048576");
    }
    assert_eq!(worker.retirement(), None);
    assert_eq!(logged("garbage"), ["info load"]);
}

#[tokio::test]
async fn listeners_that_run_away_end_with_their_isolate() {
    for (slug, event) in [("run-before", "beforeunload"), ("run-unload", "unload"), ("run-drain", "drain")] {
        let code = format!(
            "addEventListener('{event}', () => {{ for (;;); }}); Deno.serve(() => new Response('well'))"
        );
        let worker = function(slug, &code).cpu(Duration::from_millis(200)).boot().await.unwrap();
        assert_eq!(ask(&*worker).await, "200 well");
        worker.retire(Retirement::Replaced);
        drop(worker);
        eventually(slug, || threads_of(&format!("fn:{slug}")) == 0).await;
    }
}

#[tokio::test]
async fn a_rejection_that_the_function_handles_itself_harms_nobody() {
    let code = "addEventListener('unhandledrejection', (event) => {
            event.preventDefault();
            console.log(`seen: ${event.reason.message}`);
        });
        Deno.serve(() => {
            Promise.reject(new Error('nobody listens'));
            return new Response('well');
        })";
    let worker = function("rejection", code).boot().await.unwrap();
    for _ in 0..2 {
        assert_eq!(ask(&*worker).await, "200 well");
    }
    eventually("both rejections", || logged("rejection").len() == 2).await;
    assert_eq!(logged("rejection"), ["info seen: nobody listens"; 2]);
    assert_eq!(worker.retirement(), None);
}

#[tokio::test]
async fn a_rejection_of_work_after_the_response_is_logged() {
    let code = "Deno.serve(() => {
        EdgeRuntime.waitUntil(Promise.reject(new Error('work failed')));
        return new Response('well');
    })";
    let worker = function("work-fails", code).boot().await.unwrap();
    assert_eq!(ask(&*worker).await, "200 well");
    eventually("the line", || logged("work-fails").iter().any(|line| line.contains("work failed"))).await;
    assert_eq!(worker.retirement(), None);
}

#[tokio::test]
async fn an_invocation_knows_what_it_used() {
    let code = "const kept = new Uint8Array(8 << 20); Deno.serve(() => {
        const until = performance.now() + 50;
        while (performance.now() < until);
        return new Response(String(kept.length));
    })";
    let worker = function("usage", code).boot().await.unwrap();
    let usage = Usage::default();
    let mut request = get("/");
    request.extensions_mut().insert(usage.clone());
    let answer = worker.invoke(request, context()).await;
    // Known when the head is there, not some time later. Other programs may have had the processor.
    assert!(
        usage.cpu() > Duration::from_millis(5) && usage.cpu() < Duration::from_secs(1),
        "{:?}",
        usage.cpu()
    );
    assert!(usage.memory_bytes() > 8 << 20, "{}", usage.memory_bytes());
    assert_eq!(read(answer).await, "200 8388608");
}
