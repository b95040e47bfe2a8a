//! How a worker ends, and what its function is told before.

use crate::app::{App, Project};

/// Logs what it is told of its end; what it does depends on the query.
const TOLD: &str = "
addEventListener('beforeunload', (event) => console.log(`told ${event.detail.reason}`));
addEventListener('unload', () => console.log('told unload'));
const kept = [];
const pause = (milliseconds) => new Promise((go) => setTimeout(go, milliseconds));
Deno.serve(async (request) => {
  const { search } = new URL(request.url);
  if (search === '?wait') await pause(60_000);
  if (search === '?work') for (;;) { for (const until = performance.now() + 20; performance.now() < until;); await pause(5); }
  if (search === '?hoard') for (;;) { kept.push(new Uint8Array(1 << 20).fill(1)); await pause(2); }
  return new Response(Deno.env.get('SB_EXECUTION_ID'));
});";

async fn start(limits: &str) -> App {
    let project = Project::empty();
    project.configure(&format!("[functions.told.limits]\n{limits}"));
    project.function("told", TOLD);
    project.with_flags(&["--no-verify-jwt"]).start().await
}

/// A request that runs into a limit: the status, and the reason that the function was told before.
async fn check(limits: &str, query: &str, reason: &str) {
    let app = start(limits).await;
    let first = app.call("GET", "/functions/v1/told").send().await.text();
    let ended = app.call("GET", &format!("/functions/v1/told?{query}")).send().await;
    assert_eq!(ended.status.as_u16(), 546, "{query}: {}", ended.text());
    assert_eq!(ended.header("sb-error-code"), Some("WORKER_RESOURCE_LIMIT"));
    let told = format!("told {reason}");
    app.until(&told, || async { app.project.log().contains(&told) }).await;
    // The next request has an isolate of its own.
    let next = app.call("GET", "/functions/v1/told").send().await;
    assert_eq!(next.status, 200, "{}", next.text());
    assert_ne!(next.text(), first);
}

#[tokio::test]
async fn the_wall_clock_is_told_before_it_ends_a_worker() {
    check("wall_clock = \"1s\"\nidle = \"30s\"", "wait", "wall_clock").await;
}

#[tokio::test]
async fn the_cpu_limit_is_told_before_it_ends_a_worker() {
    check("cpu = \"600ms\"", "work", "cpu").await;
}

#[tokio::test]
async fn the_memory_limit_is_told_before_it_ends_a_worker() {
    check("memory = \"96MiB\"\ncpu = \"20s\"", "hoard", "memory").await;
}

#[tokio::test]
async fn a_save_is_told_as_a_termination() {
    let app = start("cpu = \"2s\"").await;
    assert_eq!(app.call("GET", "/functions/v1/told").send().await.status, 200);
    app.project.function("told", "Deno.serve(() => new Response('saved'))");
    app.until("the save is served", || async {
        app.call("GET", "/functions/v1/told").send().await.text() == "saved"
    })
    .await;
    for told in ["told termination", "told unload"] {
        app.until(told, || async { app.project.log().contains(told) }).await;
    }
}

/// Streams are no wait for a response: they may pause for longer than the idle timeout.
#[tokio::test]
async fn a_stream_may_pause_for_longer_than_the_idle_timeout() {
    let project = Project::empty();
    project.configure("[functions.slow.limits]\nidle = \"300ms\"\n[functions.late.limits]\nidle = \"300ms\"");
    let parts = "ReadableStream.from((async function* () { for (const part of ['s', 'l', 'o', 'w']) { await new Promise((go) => setTimeout(go, 400)); yield part; } })()).pipeThrough(new TextEncoderStream())";
    project.function("slow", &format!("Deno.serve(() => new Response({parts}))"));
    project.function("late", "Deno.serve(async () => { await new Promise((go) => setTimeout(go, 5000)); return new Response('too late'); })");
    let app = project.with_flags(&["--no-verify-jwt"]).start().await;
    let (slow, late) = tokio::join!(
        app.call("GET", "/functions/v1/slow").send(),
        app.call("GET", "/functions/v1/late").send()
    );
    assert_eq!(slow.text(), "slow");
    assert_eq!((late.status.as_u16(), late.header("sb-error-code")), (504, Some("IDLE_TIMEOUT")));
}
