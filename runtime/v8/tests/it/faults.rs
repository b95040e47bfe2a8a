//! What functions do wrong: each fault gets its kind, and neighbours do not notice.

use std::time::{Duration, Instant};

use isobase_base::FailureKind;
use isobase_engine::Retirement;

use crate::support::{context, eventually, function, get, read};

struct Fault {
    name: &'static str,
    code: &'static str,
    kind: FailureKind,
    retires: Option<Retirement>,
}

/// One request to each, while a neighbour is served.
const FAULTS: &[Fault] = &[
    Fault {
        name: "busy-loop",
        code: "Deno.serve(() => { for (;;); })",
        kind: FailureKind::CpuLimit,
        retires: Some(Retirement::CpuLimit),
    },
    Fault {
        name: "microtask-loop",
        code: "Deno.serve(async () => { for (;;) await 0; })",
        kind: FailureKind::CpuLimit,
        retires: Some(Retirement::CpuLimit),
    },
    Fault {
        name: "loop-that-yields",
        code: "Deno.serve(async () => {
            for (;;) {
                const until = performance.now() + 20;
                while (performance.now() < until);
                await new Promise((resolve) => setTimeout(resolve, 0));
            }
        })",
        kind: FailureKind::CpuLimit,
        retires: Some(Retirement::CpuLimit),
    },
    Fault {
        name: "regular-expression",
        code: "Deno.serve(() => new Response(String(/^(a+)+$/.test('a'.repeat(40) + '!'))))",
        kind: FailureKind::CpuLimit,
        retires: Some(Retirement::CpuLimit),
    },
    Fault {
        name: "arrays",
        code: "const kept = []; Deno.serve(() => { for (;;) kept.push(new Array(10000).fill(1.5)); })",
        kind: FailureKind::MemoryLimit,
        retires: Some(Retirement::MemoryLimit),
    },
    Fault {
        name: "strings",
        code: "const kept = []; Deno.serve(() => { for (let i = 0; ; i++) kept.push(Array.from({ length: 10000 }, (_, k) => `${i}-${k}`).join()); })",
        kind: FailureKind::MemoryLimit,
        retires: Some(Retirement::MemoryLimit),
    },
    Fault {
        name: "buffers",
        code: "const kept = []; Deno.serve(() => { for (;;) kept.push(new ArrayBuffer(1 << 20)); })",
        kind: FailureKind::MemoryLimit,
        retires: Some(Retirement::MemoryLimit),
    },
    Fault {
        name: "caught-buffers",
        code: "const kept = []; Deno.serve(() => { for (;;) try { kept.push(new ArrayBuffer(1 << 20)); } catch {} })",
        kind: FailureKind::MemoryLimit,
        retires: Some(Retirement::MemoryLimit),
    },
    Fault {
        name: "one-huge-view",
        code: "Deno.serve(() => new Response(new Uint8Array(4e9)))",
        kind: FailureKind::MemoryLimit,
        retires: Some(Retirement::MemoryLimit),
    },
    Fault {
        name: "huge-arrays",
        code: "const kept = []; Deno.serve(() => { for (;;) kept.push(new Array(3e7).fill(0)); })",
        kind: FailureKind::MemoryLimit,
        retires: Some(Retirement::MemoryLimit),
    },
    Fault {
        name: "wasm-memory",
        code: "const kept = []; Deno.serve(() => { for (;;) {
            const memory = new WebAssembly.Memory({ initial: 16 });
            new Uint8Array(memory.buffer).fill(1);
            kept.push(memory);
        } })",
        kind: FailureKind::MemoryLimit,
        retires: Some(Retirement::MemoryLimit),
    },
    Fault {
        name: "wasm-growth",
        code: "Deno.serve(() => { const memory = new WebAssembly.Memory({ initial: 1 }); for (;;) {
            memory.grow(16);
            new Uint8Array(memory.buffer).fill(1);
        } })",
        kind: FailureKind::MemoryLimit,
        retires: Some(Retirement::MemoryLimit),
    },
    Fault {
        name: "blobs",
        code: "const kept = []; const part = new Uint8Array(1 << 20); Deno.serve(() => { for (;;) kept.push(new Blob([part])); })",
        kind: FailureKind::MemoryLimit,
        retires: Some(Retirement::MemoryLimit),
    },
    Fault {
        name: "json",
        code: "Deno.serve(() => new Response(String(JSON.parse('[' + '[],'.repeat(4e6) + '0]').length)))",
        kind: FailureKind::MemoryLimit,
        retires: Some(Retirement::MemoryLimit),
    },
    Fault {
        name: "throws",
        code: "Deno.serve(() => { throw new Error('oh no'); })",
        kind: FailureKind::Crashed,
        retires: None,
    },
    Fault {
        name: "rejects",
        code: "Deno.serve(async () => { await null; throw 'plain text'; })",
        kind: FailureKind::Crashed,
        retires: None,
    },
    Fault {
        name: "deep-recursion",
        code: "const deep = () => 1 + deep(); Deno.serve(() => new Response(String(deep())))",
        kind: FailureKind::Crashed,
        retires: None,
    },
    Fault {
        name: "unhandled-rejection",
        code: "Deno.serve(() => { Promise.reject(new Error('nobody listens')); return new Promise(() => {}); })",
        kind: FailureKind::Crashed,
        retires: Some(Retirement::Crashed),
    },
    Fault {
        name: "timer-throws",
        code: "Deno.serve(() => { setTimeout(() => { throw new Error('later'); }, 0); return new Promise(() => {}); })",
        kind: FailureKind::Crashed,
        retires: Some(Retirement::Crashed),
    },
    Fault {
        name: "not-a-response",
        code: "Deno.serve(() => ({ status: 200 }))",
        kind: FailureKind::InvalidResponse,
        retires: None,
    },
    Fault {
        name: "response-error",
        code: "Deno.serve(() => Response.error())",
        kind: FailureKind::InvalidResponse,
        retires: None,
    },
    Fault {
        name: "body-read-already",
        code: "Deno.serve(async () => { const r = new Response('x'); await r.text(); return r; })",
        kind: FailureKind::InvalidResponse,
        retires: None,
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_has_its_kind_and_neighbours_do_not_notice() {
    let neighbour = function("neighbour", "Deno.serve(() => new Response('well'))").boot().await.unwrap();
    for fault in FAULTS {
        let seconds = if fault.kind == FailureKind::CpuLimit { 0.3 } else { 30.0 };
        let function = function(fault.name, fault.code).cpu(Duration::from_secs_f64(seconds)).memory(64);
        let worker = function.boot().await.unwrap();
        let answer = worker.invoke(get("/"), context());
        let (answer, beside) = futures::join!(answer, neighbour.invoke(get("/"), context()));
        let failure = answer.map(|response| response.status()).expect_err(fault.name);
        assert_eq!(failure.kind, fault.kind, "{}: {failure}", fault.name);
        assert_eq!(read(beside).await, "200 well", "{}", fault.name);
        if let Some(reason) = fault.retires {
            eventually(fault.name, || worker.retirement() == Some(reason)).await;
        } else {
            assert_eq!(worker.retirement(), None, "{}", fault.name);
            let again = worker.invoke(get("/"), context()).await.expect_err(fault.name);
            assert_eq!(again.kind, fault.kind, "{}: the worker stays usable", fault.name);
        }
    }
    assert_eq!(read(neighbour.invoke(get("/"), context()).await).await, "200 well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_beside_the_culprit_may_be_sent_again() {
    for code in
        ["for (;;);", "await null; for (;;);", "await new Promise((r) => setTimeout(r, 1)); for (;;);"]
    {
        let code = format!(
            "Deno.serve(async (request) => {{
                if (request.url.endsWith('/innocent')) return new Promise(() => {{}});
                {code}
            }})"
        );
        let worker = function("beside", &code).cpu(Duration::from_millis(200)).boot().await.unwrap();
        let innocent = worker.invoke(get("/innocent"), context());
        let guilty = worker.invoke(get("/guilty"), context());
        let (innocent, guilty) = futures::join!(innocent, guilty);
        assert_eq!(guilty.unwrap_err().kind, FailureKind::CpuLimit, "{code}");
        assert_eq!(innocent.unwrap_err().kind, FailureKind::Cancelled, "{code}");
    }
}

#[tokio::test]
async fn boot_faults_name_the_place() {
    for (name, code, expected) in [
        ("syntax", "const x = ;", "file:///syntax/index.ts:1:11"),
        ("module-throws", "\nthrow new Error('at the top')", "at the top"),
        ("no-handler", "const x = 1;", "registers no handler"),
        ("never-ready", "await new Promise(() => {}); Deno.serve(() => new Response())", "Top-level await"),
        ("missing-import", "import './gone.js';", "gone.js"),
        ("missing-export", "import { x } from 'isobase:host/caller'; Deno.serve(x)", "x"),
        ("not-a-function", "Deno.serve({})", "handler function"),
    ] {
        let failure = match function(name, code).boot().await {
            Ok(_) => panic!("{name} booted"),
            Err(failure) => failure,
        };
        assert_eq!(failure.kind, FailureKind::Boot, "{name}: {failure}");
        assert!(failure.detail.contains(expected), "{name}: {failure}");
    }
}

#[tokio::test]
async fn a_busy_boot_ends_at_its_bound() {
    let begun = Instant::now();
    let failure = match function("busy-boot", "for (;;);").boot().await {
        Ok(_) => panic!("it booted"),
        Err(failure) => failure,
    };
    assert_eq!(failure.kind, FailureKind::Boot, "{failure}");
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn a_dropped_worker_ends_even_a_busy_loop() {
    let before = threads_of("fn:dropped");
    let worker = function("dropped", "Deno.serve(() => { for (;;); })")
        .cpu(Duration::from_secs(60))
        .boot()
        .await
        .unwrap();
    {
        let mut pending = worker.invoke(get("/"), context());
        assert!(futures::poll!(&mut pending).is_pending());
        eventually("the thread's name", || threads_of("fn:dropped") > before).await;
    }
    drop(worker);
    eventually("the end of the thread", || threads_of("fn:dropped") == before).await;
}

#[tokio::test]
async fn a_request_that_is_given_up_frees_its_place() {
    let worker = function("never", "Deno.serve(() => new Promise(() => {}))").boot().await.unwrap();
    let mut pending: Vec<_> = (0..10).map(|_| worker.invoke(get("/"), context())).collect();
    for one in &mut pending {
        assert!(futures::poll!(one).is_pending());
    }
    drop(pending);
    worker.retire(Retirement::Idle);
    assert_eq!(worker.retirement(), Some(Retirement::Idle));
    drop(worker);
    // Nothing is in flight any more, so the isolate ends.
    eventually("the end of the thread", || threads_of("fn:never") == 0).await;
}

#[tokio::test]
async fn log_floods_are_bounded() {
    let code = "Deno.serve(() => { for (let i = 0; i < 100000; i++) console.log('x'.repeat(100)); return new Response('done'); })";
    let worker = function("flood", code).boot().await.unwrap();
    assert_eq!(read(worker.invoke(get("/"), context()).await).await, "200 done");
}

/// Threads of this process with that name.
pub(crate) fn threads_of(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let named = tasks.filter(|task| {
        let path = task.as_ref().unwrap().path().join("comm");
        std::fs::read_to_string(path).is_ok_and(|comm| comm.trim_end() == name)
    });
    named.count()
}
