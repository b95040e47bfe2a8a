//! Hostile functions, through the gateway: each is contained, its client gets the documented answer, the log
//! says why, the function answers again afterwards, and a neighbour that behaves answers all the while.
//!
//! A case is data: what the function does when it is attacked with, under which limits, and how that ends.

mod endless;
mod internals;
mod logs;
mod memory;
mod native;
mod network;
mod recursion;
mod responses;
mod sources;
mod streams;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use isobase_base::FailureKind;
use serde_json::{Value, json};

use crate::app::{App, Project};
use crate::client::Answer;

/// One function and how a request to it ends.
struct Hostile {
    name: &'static str,
    /// The body of `async function attack(request)`, in TypeScript.
    attack: &'static str,
    /// Of `[functions.<name>.limits]`.
    limits: &'static str,
    end: End,
}

enum End {
    /// With the documented answer to a failure of one of these kinds.
    Fails(&'static [FailureKind]),
    /// With 200 and this text.
    Answers(&'static str),
    /// Either way: it depends on what of the machine's is spent first.
    AnswersOr(&'static str, &'static [FailureKind]),
    /// The head was sent; the body breaks off.
    BreaksOff,
}

/// Enough for what is short, and soon used up by what is not.
const SHORT: &str = "cpu = \"300ms\"\nmemory = \"64MiB\"\nidle = \"20s\"";
/// For what is to end by its memory.
const SMALL: &str = "cpu = \"20s\"\nmemory = \"64MiB\"\nidle = \"60s\"";

/// Status, code and sentence, byte for byte.
fn documented(kind: FailureKind) -> (u16, &'static str, &'static str) {
    match kind {
        FailureKind::CpuLimit | FailureKind::MemoryLimit | FailureKind::WallClockLimit => (
            546,
            "WORKER_RESOURCE_LIMIT",
            "Function failed due to not having enough compute resources (please check logs)",
        ),
        FailureKind::IdleTimeout => {
            (504, "IDLE_TIMEOUT", "The request idle timeout was reached before the function responded")
        }
        FailureKind::Crashed => (500, "WORKER_ERROR", "Function exited due to an error (please check logs)"),
        FailureKind::InvalidResponse => {
            (500, "INVALID_RESPONSE_STATUS_CODE", "Function returned an invalid response (please check logs)")
        }
        FailureKind::Boot => (503, "BOOT_ERROR", "Worker failed to boot (please check logs)"),
        other => panic!("no function is to blame for {other:?}"),
    }
}

/// Whether `answer` is the documented one to `kind`.
fn is_documented(answer: &Answer, kind: FailureKind) -> bool {
    let (status, code, message) = documented(kind);
    answer.status.as_u16() == status
        && answer.header("sb-error-code") == Some(code)
        && answer.header("content-type").is_some_and(|kind| kind.starts_with("application/json"))
        && answer.json() == json!({ "code": code, "message": message })
}

/// The lines of the host's log that are about `function`.
fn lines_about(app: &App, function: &str) -> Vec<Value> {
    let log = app.project.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["fields"]["function"] == function || line["function"] == function).collect()
}

fn field<'a>(line: &'a Value, name: &str) -> &'a str {
    line["fields"][name].as_str().or(line[name].as_str()).unwrap_or_default()
}

/// Whether the log tells that an invocation of `function` failed for `reason`.
fn is_logged(app: &App, function: &str, reason: &str) -> bool {
    lines_about(app, function).iter().any(|line| field(line, "reason") == reason)
}

/// A project with a neighbour that behaves and a function for each case.
async fn start(cases: &[Hostile]) -> App {
    let project = Project::empty();
    let mut settings = "[functions.neighbour]\nverify_jwt = false\n".to_owned();
    project.function("neighbour", "Deno.serve(() => new Response('well'))");
    for Hostile { name, attack, limits, .. } in cases {
        let source = format!(
            "async function attack(request: Request): Promise<any> {{ {attack} }}\n\
             Deno.serve((request) => request.url.endsWith('/again') ? new Response('well') : attack(request));"
        );
        project.function(name, &source);
        _ = writeln!(settings, "[functions.{name}]\nverify_jwt = false\n[functions.{name}.limits]\n{limits}");
    }
    project.configure(&settings);
    project.start().await
}

/// Runs the cases one after another on one host; tells all that did not end as they should.
async fn check(cases: &[Hostile]) {
    let app = start(cases).await;
    let mut wrong = String::new();
    for case in cases {
        if let Err(why) = run(&app, case).await {
            _ = writeln!(wrong, "{}: {why}", case.name);
            for line in lines_about(&app, case.name) {
                _ = writeln!(wrong, "    {line}");
            }
        }
        assert!(app.is_alive(), "{}: the host is gone\n{wrong}\n{}", case.name, app.project.log());
    }
    assert!(wrong.is_empty(), "{wrong}");
    app.stop().await;
}

async fn run(app: &App, case: &Hostile) -> Result<(), String> {
    let path = format!("/functions/v1/{}", case.name);
    let answer = beside_a_neighbour(app, app.call("POST", &path).text("{}").try_send()).await?;
    let told = match &answer {
        Ok(answer) => {
            format!("{} {:?} {:.300}", answer.status, answer.header("sb-error-code"), answer.text())
        }
        Err(error) => format!("no answer: {error}"),
    };
    let failed_as = |kinds: &[FailureKind]| {
        let kind = kinds.iter().find(|kind| {
            answer.as_ref().is_ok_and(|answer| is_documented(answer, **kind))
                && is_logged(app, case.name, kind.reason())
        });
        kind.map(|_| ()).ok_or_else(|| format!("expected one of {kinds:?}, got {told}"))
    };
    let answered = |text: &str| {
        let is_it = answer.as_ref().is_ok_and(|answer| answer.status == 200 && answer.text() == text);
        is_it.then_some(()).ok_or_else(|| format!("expected {text}, got {told}"))
    };
    match case.end {
        End::Fails(kinds) => failed_as(kinds)?,
        End::Answers(text) => answered(text)?,
        End::AnswersOr(text, kinds) => answered(text).or_else(|_| failed_as(kinds))?,
        End::BreaksOff if answer.is_err() => {}
        End::BreaksOff => return Err(format!("expected a body that breaks off, got {told}")),
    }
    loop {
        let again = app.call("GET", &format!("{path}/again")).try_send().await?;
        match again.header("sb-error-code") {
            // It came to the isolate that was being ended, which had not taken it up: to be sent again.
            Some("WORKER_CANCELLED") if again.status == 503 => {}
            _ if again.text() == "well" => return Ok(()),
            _ => return Err(format!("it does not answer again: {} {}", again.status, again.text())),
        }
    }
}

/// What `attack` gives, unless the neighbour does not answer while it is under way.
async fn beside_a_neighbour<T>(app: &App, attack: impl Future<Output = T>) -> Result<T, String> {
    let over = AtomicBool::new(false);
    let attack = async {
        let outcome = attack.await;
        over.store(true, Ordering::Relaxed);
        outcome
    };
    let neighbour = async {
        loop {
            let answer = app.call("GET", "/functions/v1/neighbour").try_send().await?;
            if answer.text() != "well" {
                return Err(format!("the neighbour answered {} {}", answer.status, answer.text()));
            }
            if over.load(Ordering::Relaxed) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (outcome, well) = tokio::join!(attack, neighbour);
    well.map(|()| outcome)
}

/// Resident memory of the host, in mebibytes.
fn resident(app: &App) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", app.process_id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or(0) / 1024
}
