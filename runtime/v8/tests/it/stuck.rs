//! What stops an isolate's thread: it ends, and so do its requests, but not the process.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use isobase_base::FailureKind;
use isobase_engine::Retirement;

use crate::support::{answer, context, eventually, function, get, logged, outcome, read};

/// A WebSocket whose internals say that it is open, with a resource that is none: the platform's operation
/// panics on it, in the middle of the script.
const PANIC: &str = "
    const socket = new WebSocket('ws://127.0.0.1:1');
    socket.onerror = () => {};
    for (const symbol of Object.getOwnPropertySymbols(socket)) {
        if (/rid/.test(String(symbol))) socket[symbol] = 77_777;
        if (/readyState/.test(String(symbol))) socket[symbol] = 1;
        if (/role/.test(String(symbol))) socket[symbol] = 1;
    }
    socket.send('x');";

/// Set in the process of its own that a test runs in.
const OWN_PROCESS: &str = "ISOBASE_TEST_OWN_PROCESS";

/// A thread that panicked stays in the panic hook, for which the test program would wait at its own end: so
/// `test`, which is `body`, runs in a process that is killed once it has told how it went.
fn in_a_process_of_its_own(test: &str, body: impl Future<Output = ()>) {
    if std::env::var_os(OWN_PROCESS).is_some() {
        return tokio::runtime::Runtime::new().unwrap().block_on(body);
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--nocapture", "--exact", test]).env(OWN_PROCESS, "1").stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let result = lines.into_iter().find(|line| line.starts_with("test result:"));
    // It may have ended by itself.
    let _ = child.kill();
    child.wait().unwrap();
    assert!(result.as_ref().is_some_and(|result| result.contains(" 1 passed")), "{test}: {result:?}");
}

#[test]
fn a_panic_in_an_operation_ends_its_isolate_alone() {
    let test = "stuck::a_panic_in_an_operation_ends_its_isolate_alone";
    in_a_process_of_its_own(test, panic_in_an_operation());
}

async fn panic_in_an_operation() {
    let code = format!(
        "Deno.serve((request) => {{
            if (request.url.endsWith('/beside')) return new Promise(() => {{}});
            {PANIC}
            return new Response('sent');
        }})"
    );
    let neighbour = function("neighbour", "Deno.serve(() => new Response('well'))").boot().await.unwrap();
    let worker = function("panics", &code).boot().await.unwrap();
    let beside = worker.invoke(get("/beside"), context());
    let guilty = worker.invoke(get("/"), context());
    let (beside, guilty) = futures::join!(beside, guilty);
    for failure in [beside.unwrap_err(), guilty.unwrap_err()] {
        assert_eq!(failure.kind, FailureKind::Crashed, "{failure}");
    }
    assert_eq!(worker.retirement(), Some(Retirement::Crashed));
    let later = worker.invoke(get("/"), context()).await.unwrap_err();
    assert_eq!(later.kind, FailureKind::Crashed, "{later}");
    drop(worker);
    assert_eq!(read(neighbour.invoke(get("/"), context()).await).await, "200 well");
    let again = function("panics", "Deno.serve(() => new Response('again'))").boot().await.unwrap();
    assert_eq!(read(again.invoke(get("/"), context()).await).await, "200 again");
}

#[test]
fn a_panic_while_it_starts_fails_the_boot() {
    in_a_process_of_its_own("stuck::a_panic_while_it_starts_fails_the_boot", panic_while_it_starts());
}

async fn panic_while_it_starts() {
    let failure =
        match function("panics-early", &format!("{PANIC} Deno.serve(() => new Response())")).boot().await {
            Ok(_) => panic!("it booted"),
            Err(failure) => failure,
        };
    assert_eq!(failure.kind, FailureKind::Boot, "{failure}");
    assert_eq!(answer("neighbour", "Deno.serve(() => new Response('well'))").await, "200 well");
}

/// Nothing counts time for a thread that sleeps in the kernel, so no script may put it there.
#[tokio::test]
async fn no_script_blocks_its_thread() {
    for wait in [
        "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)",
        "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)",
        "Atomics.wait(new BigInt64Array(new SharedArrayBuffer(8)), 0, 0n)",
        "Atomics.wait(new Int32Array(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer), 0, 0)",
    ] {
        let told = outcome("waits", "", &format!("return {wait};")).await;
        assert!(told.starts_with("threw TypeError"), "{wait}: {told}");
    }
    let told = outcome("waits", "", "const { value } = Atomics.waitAsync(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5); return await value;").await;
    assert_eq!(told, "timed-out");
}

/// Listeners are called outside of requests' own turns, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_hears_of_the_end_may_not_run_on() {
    for (slug, end, code) in [
        (
            "abort-at-cpu",
            "cpu",
            "for (;;) { const until = performance.now() + 20; while (performance.now() < until); await new Promise((go) => setTimeout(go)); }",
        ),
        ("abort-at-clock", "wall clock", "await new Promise(() => {});"),
    ] {
        let code = format!(
            "Deno.serve((request) => {{
                request.signal.addEventListener('abort', () => {{ console.log('aborting'); for (;;); }});
                EdgeRuntime.waitUntil((async () => {{ {code} }})());
                return new Response(new ReadableStream({{ pull() {{ return new Promise(() => {{}}); }} }}));
            }})"
        );
        let function =
            function(slug, &code).cpu(Duration::from_millis(300)).wall_clock(Duration::from_millis(800));
        let worker = function.boot().await.unwrap();
        let response = worker.invoke(get("/"), context()).await.unwrap();
        assert_eq!(response.status(), 200);
        eventually(end, || worker.retirement().is_some()).await;
        if slug == "abort-at-clock" {
            // At the other limit the script may be ended in the middle of its own turn, and hears of nothing.
            eventually("the listener", || logged(slug).contains(&"info aborting".to_owned())).await;
        }
        drop(worker);
        eventually("the end of the thread", || crate::faults::threads_of(&format!("fn:{slug:.12}")) == 0)
            .await;
        drop(response);
    }
}

/// Timers that answered requests leave behind have one budget until the next request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_behind_is_bounded_and_renewed_by_requests() {
    let code = "let ticks = 0;
        setInterval(() => { ticks++; const until = performance.now() + 5; while (performance.now() < until); }, 20);
        Deno.serve(() => new Response(String(ticks)));";
    let worker = function("left-behind", code).cpu(Duration::from_millis(400)).boot().await.unwrap();
    // Together they take far more than one budget.
    let mut ticks = 0;
    while ticks < 160 {
        let told = read(worker.invoke(get("/"), context()).await).await;
        ticks =
            told.strip_prefix("200 ").and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{told}"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(worker.retirement(), None);
    eventually("the end of the budget", || worker.retirement() == Some(Retirement::CpuLimit)).await;
    let line = "error more than 400 ms of CPU time after its last response".to_owned();
    eventually("the line", || logged("left-behind").contains(&line)).await;
}
