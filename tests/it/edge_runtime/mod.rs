//! What the integration tests of supabase/edge-runtime hold, told in our own words: tiny functions, asked over
//! HTTP, on the whole host.
//!
//! Held elsewhere and not repeated here: unknown functions, saves and variables (`functions.rs`), limits and their
//! codes (`limits.rs`), packages of npm and JSR (`packages.rs`, `real_packages.rs`), calls in a circle
//! (`own_calls.rs`), work after the response (`lifecycle.rs`); slow heads, stalled bodies and lying lengths in the
//! gateway's own tests, which can set its clocks; the reasons of a worker's end one by one in those of the V8 room.
//!
//! Where we differ on purpose:
//! - A handler's invalid value is a 500 `INVALID_RESPONSE_STATUS_CODE`; there the connection is dropped, which a
//!   gateway makes a 502 of.
//! - The idle timeout ends the wait for the head of a response; there it also breaks off streams and WebSockets that
//!   are silent for as long. Ours may be silent until the wall clock, since a quiet event stream is no fault.
//! - Synchronous file access works at any time, there only while the modules are evaluated: nobody else waits for the
//!   thread of an isolate of ours.

mod answers;
mod bodies;
pub(crate) mod connections;
mod ends;
mod files;
mod sources;

use std::fmt::Write;

use crate::app::{App, Project};
use crate::client::Answer;

/// A function: its name, its source, and pairs of a request and what it gets.
///
/// A request is `METHOD path`, below `/functions/v1`, and after a line break its body. An answer is `status body`,
/// with ` (name: value)` before the body for each header in [`SHOWN`] that is there.
type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

/// Headers that the tables show.
const SHOWN: &[&str] = &["location", "set-cookie", "x-shown"];

/// Adds the functions of `rows`, starts, and asks.
async fn check(rows: &[Row<'_>]) {
    check_in(Project::empty(), rows).await;
}

/// The same in a project that has more.
async fn check_in(project: Project, rows: &[Row<'_>]) {
    for (slug, source, _) in rows {
        project.function(slug, source);
    }
    let app = project.with_flags(&["--no-verify-jwt"]).start().await;
    ask(&app, rows).await;
}

/// Asks in order; tells all differences at once.
async fn ask(app: &App, rows: &[Row<'_>]) {
    let mut wrong = String::new();
    for (slug, _, requests) in rows {
        for (request, expected) in *requests {
            let told = tell(app, request).await;
            if told != *expected {
                let tail = told.chars().take(600).collect::<String>();
                writeln!(wrong, "{slug}: {request:?}\n  expected {expected}\n  got      {tail}").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}\n{}", errors(app));
}

async fn tell(app: &App, request: &str) -> String {
    let (line, body) = request.split_once('\n').unwrap_or((request, ""));
    let (method, path) = line.split_once(' ').expect("METHOD path");
    let call = app.call(method, &format!("/functions/v1{path}")).text(body);
    match call.try_send().await {
        Ok(answer) => show(&answer),
        Err(error) => format!("broken off: {error}"),
    }
}

fn show(answer: &Answer) -> String {
    let mut told = answer.status.as_u16().to_string();
    for name in SHOWN {
        for value in answer.headers.get_all(*name) {
            write!(told, " ({name}: {})", String::from_utf8_lossy(value.as_bytes())).unwrap();
        }
    }
    match answer.header("sb-error-code") {
        Some(code) => write!(told, " {code}").unwrap(),
        None => write!(told, " {}", answer.text()).unwrap(),
    }
    told
}

/// What the log has to say about functions, for a failure's message.
fn errors(app: &App) -> String {
    let log = app.project.log();
    let lines = log.lines().filter(|line| line.contains("\"ERROR\"") || line.contains("\"WARN\""));
    lines.collect::<Vec<_>>().join("\n")
}
