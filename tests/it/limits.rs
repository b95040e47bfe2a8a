//! Every limit of a function, through the gateway: the documented status, the reason in the log,
//! and neighbours that notice nothing.

use crate::app::{App, Project};

/// A project with one well-behaved neighbour and tight limits for `guest`.
async fn start(source: &str, limits: &str) -> App {
    let project = Project::empty();
    project.configure("[functions.neighbour]\nverify_jwt = false");
    project.configure(&format!("[functions.guest]\nverify_jwt = false\n[functions.guest.limits]\n{limits}"));
    project.function("neighbour", "Deno.serve(() => new Response('well'))");
    project.function("guest", source);
    project.start().await
}

async fn check(source: &str, limits: &str, status: u16, code: &str, reason: &str) {
    let app = start(source, limits).await;
    let guest = app.call("GET", "/functions/v1/guest");
    let neighbour = async {
        for _ in 0..20 {
            assert_eq!(app.call("GET", "/functions/v1/neighbour").send().await.text(), "well");
        }
    };
    let (answer, ()) = tokio::join!(guest.send(), neighbour);
    assert_eq!(answer.status.as_u16(), status, "{} {}", answer.text(), app.project.log());
    assert_eq!(answer.header("sb-error-code"), Some(code));
    assert_eq!(answer.json()["code"], code);
    let logged = format!("\"reason\":\"{reason}\"");
    assert!(app.project.log().contains(&logged), "{}", app.project.log());
    assert_eq!(app.call("GET", "/functions/v1/neighbour").send().await.text(), "well");
}

#[tokio::test]
async fn a_busy_loop_ends_by_its_cpu_limit() {
    check("Deno.serve(() => { for (;;); })", "cpu = \"200ms\"", 546, "WORKER_LIMIT", "cpu").await;
}

#[tokio::test]
async fn a_memory_bomb_ends_by_its_memory_limit() {
    let source = "Deno.serve(() => { const all = []; for (;;) all.push(new Array(10000).fill(1.5)); })";
    check(source, "memory = \"64MiB\"\ncpu = \"20s\"", 546, "WORKER_LIMIT", "memory").await;
}

#[tokio::test]
async fn a_promise_that_never_settles_ends_by_the_idle_timeout() {
    check("Deno.serve(() => new Promise(() => {}))", "idle = \"300ms\"", 504, "IDLE_TIMEOUT", "idle").await;
}

#[tokio::test]
async fn a_throw_is_a_500() {
    check("Deno.serve(() => { throw new Error('no') })", "", 500, "WORKER_ERROR", "crashed").await;
}

#[tokio::test]
async fn a_throw_at_module_level_is_a_boot_error() {
    check("throw new Error('never starts')", "", 503, "BOOT_ERROR", "boot").await;
}
