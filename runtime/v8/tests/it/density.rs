//! Many isolates: what they cost, and that all of it comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use isobase_engine::{Engine, Worker};

use crate::support::{context, engine, eventually, function, get, read};

const HELLO: &str = "Deno.serve(() => new Response('hello'))";
const ISOLATES: usize = 200;

/// Isolates' threads of this process, ready ones included.
fn isolate_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("fn:dense") || name.starts_with("v8-isolate")).count()
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

async fn boot_many(count: usize) -> Vec<Arc<dyn Worker>> {
    let mut workers = Vec::new();
    for _ in 0..count {
        let worker = function("dense", HELLO).boot().await.unwrap();
        assert_eq!(read(worker.invoke(get("/"), context()).await).await, "200 hello");
        workers.push(worker);
    }
    workers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_isolates_come_and_go() {
    // Caches and arenas fill on the first round; the second shows what leaks.
    drop(boot_many(20).await);
    // Ready ones, of the web's platform and of Node's.
    let settled = || isolate_threads() <= 2 * isobase_v8::V8Config::PREWARMED;
    eventually("the end of the first isolates", settled).await;
    let before = resident();
    let workers = boot_many(ISOLATES).await;
    let held = resident();
    assert!(isolate_threads() >= ISOLATES);
    assert!(workers.iter().all(|worker| worker.memory_bytes() > 0));
    drop(workers);
    eventually("the end of all isolates", settled).await;
    let taken = held - before;
    assert!(taken / ISOLATES < 8 << 20, "an isolate holds {} bytes", taken / ISOLATES);
    eventually("memory to come back", || resident().saturating_sub(before) < taken / 4).await;
}

/// Run with `--ignored --nocapture`; the numbers belong to the machine and the build profile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a test"]
#[allow(clippy::print_stdout, reason = "its result is what it prints")]
async fn measure() {
    let from_pool = boot_times(40, true).await;
    let without_pool = boot_times(40, false).await;
    let before = resident();
    let workers = boot_many(ISOLATES).await;
    let each = (resident() - before) / ISOLATES;
    let alone = invoke_times(&workers[0], 5000).await;
    println!("boot from pool      p50 {:?} p99 {:?}", percentile(&from_pool, 50), percentile(&from_pool, 99));
    println!(
        "boot without pool   p50 {:?} p99 {:?}",
        percentile(&without_pool, 50),
        percentile(&without_pool, 99)
    );
    println!("invoke, one at once p50 {:?} p99 {:?}", percentile(&alone, 50), percentile(&alone, 99));
    println!("invoke, 32 at once  {:.0} requests/s", throughput(&workers[1], 32, 60_000).await);
    println!("resident per warm isolate {} KiB of {ISOLATES}", each >> 10);
}

async fn boot_times(count: usize, pool: bool) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..count {
        let mut builder = function("dense", HELLO);
        if pool {
            eventually("a ready isolate", || engine().ready_isolates() > 0).await;
        } else {
            // Another limit than the ready isolates have.
            builder = builder.memory(255);
        }
        let function = builder.build();
        let begun = Instant::now();
        let worker = engine().boot(function).await.unwrap();
        read(worker.invoke(get("/"), context()).await).await;
        times.push(begun.elapsed());
    }
    times
}

async fn invoke_times(worker: &Arc<dyn Worker>, count: usize) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..count {
        let request = get("/");
        let context = context();
        let begun = Instant::now();
        worker.invoke(request, context).await.unwrap();
        times.push(begun.elapsed());
    }
    times
}

async fn throughput(worker: &Arc<dyn Worker>, at_once: usize, count: usize) -> f64 {
    let begun = Instant::now();
    let callers = (0..at_once).map(|_| async {
        for _ in 0..count / at_once {
            assert_eq!(worker.invoke(get("/"), context()).await.unwrap().status(), 200);
        }
    });
    futures::future::join_all(callers).await;
    count as f64 / begun.elapsed().as_secs_f64()
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[(sorted.len() - 1) * percent / 100]
}
