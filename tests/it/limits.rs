//! Every limit of a function, through the gateway and on both engines: the documented status, the
//! reason in the log, and neighbours that notice nothing.

use isobase_guests::COMPONENT;

use crate::app::{App, Project};

/// A function that is stopped, and how.
pub(crate) struct Case<'a> {
    /// After `/functions/v1/`.
    pub(crate) path: &'a str,
    pub(crate) status: u16,
    pub(crate) code: &'a str,
    pub(crate) reason: &'a str,
}

/// A project with one well-behaved neighbour and tight limits for `slug`.
pub(crate) fn project(slug: &str, settings: &str, limits: &str) -> Project {
    let project = Project::empty();
    project.configure("[functions.neighbour]\nverify_jwt = false");
    project.function("neighbour", "Deno.serve(() => new Response('well'))");
    project.configure(&format!("[functions.{slug}]\nverify_jwt = false\n{settings}"));
    project.configure(&format!("[functions.{slug}.limits]\n{limits}"));
    project
}

pub(crate) async fn check_case(app: &App, case: Case<'_>) {
    let guest = app.call("GET", &format!("/functions/v1/{}", case.path));
    let neighbour = async {
        for _ in 0..20 {
            assert_eq!(app.call("GET", "/functions/v1/neighbour").send().await.text(), "well");
        }
    };
    let (answer, ()) = tokio::join!(guest.send(), neighbour);
    let told = (answer.status.as_u16(), answer.header("sb-error-code"));
    assert_eq!(
        told,
        (case.status, Some(case.code)),
        "{}: {} {}",
        case.path,
        answer.text(),
        app.project.log()
    );
    assert_eq!(answer.json()["code"], case.code);
    let logged = format!("\"reason\":\"{}\"", case.reason);
    assert!(app.project.log().contains(&logged), "{}: {}", case.path, app.project.log());
    assert_eq!(app.call("GET", "/functions/v1/neighbour").send().await.text(), "well");
}

/// A TypeScript function.
async fn check(source: &str, limits: &str, status: u16, code: &str, reason: &str) {
    let project = project("guest", "", limits);
    project.function("guest", source);
    let app = project.start().await;
    check_case(&app, Case { path: "guest", status, code, reason }).await;
}

#[tokio::test]
async fn a_busy_function_gets_another_isolate() {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return;
    }
    let project = Project::empty();
    project.configure("[functions.busy]\nverify_jwt = false");
    project.function(
        "busy",
        "Deno.serve(() => {\n\
           for (const until = Date.now() + 4; Date.now() < until;);\n\
           return new Response(Deno.env.get('SB_EXECUTION_ID'));\n\
         });",
    );
    let app = project.start().await;
    let isolates = tokio::sync::Mutex::new(std::collections::BTreeSet::new());
    app.until("two isolates answer", || async {
        let calls = (0..16).map(|_| app.call("GET", "/functions/v1/busy").send());
        for answer in futures::future::join_all(calls).await {
            isolates.lock().await.insert(answer.text());
        }
        isolates.lock().await.len() == 2
    })
    .await;
}

#[tokio::test]
async fn wasm_functions_end_by_the_same_limits() {
    let entrypoint = "entrypoint = \"./functions/guests/guests.wasm\"";
    let limits = "memory = \"64MiB\"\ncpu = \"300ms\"\nidle = \"1s\"";
    let project = project("guests", entrypoint, limits);
    project.write("supabase/functions/guests/guests.wasm", COMPONENT);
    let app = project.start().await;
    for (path, status, code, reason) in [
        ("guests/spin", 546, "WORKER_RESOURCE_LIMIT", "cpu"),
        ("guests/hoard", 546, "WORKER_RESOURCE_LIMIT", "memory"),
        ("guests/deadlock", 504, "IDLE_TIMEOUT", "idle"),
        ("guests/panic", 500, "WORKER_ERROR", "crashed"),
        ("guests/trap", 500, "WORKER_ERROR", "crashed"),
        ("guests/overflow", 500, "WORKER_ERROR", "crashed"),
    ] {
        check_case(&app, Case { path, status, code, reason }).await;
        assert_eq!(
            app.call("GET", "/functions/v1/guests/hello").send().await.text(),
            "hello",
            "after {path}"
        );
    }
}

#[tokio::test]
async fn a_busy_loop_ends_by_its_cpu_limit() {
    check("Deno.serve(() => { for (;;); })", "cpu = \"200ms\"", 546, "WORKER_RESOURCE_LIMIT", "cpu").await;
}

#[tokio::test]
async fn a_memory_bomb_ends_by_its_memory_limit() {
    let source = "Deno.serve(() => { const all = []; for (;;) all.push(new Array(10000).fill(1.5)); })";
    check(source, "memory = \"64MiB\"\ncpu = \"20s\"", 546, "WORKER_RESOURCE_LIMIT", "memory").await;
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
