//! `isobase functions logs`: what functions wrote, and how their invocations ended.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use anyhow::{Context, anyhow};
use chrono::{DateTime, SecondsFormat, Utc};
use isobase_base::progress::Progress;
use serde_json::Value;
use tokio::time::Instant;

use crate::args::LogsArguments;
use crate::log_lines::{LogLines, Shown};
use crate::remote::{Refused, Remote, block_on, with_query};
use crate::terminal::TerminalProgress;

/// For the head of an answer: the host may have to search a long log.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// First and longest pause between attempts to follow on, and when they are given up: a host that is
/// started again or moved is back by then.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(5);
const RETRY_PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn run(arguments: &LogsArguments) -> anyhow::Result<()> {
    match block_on(show(arguments)) {
        Err(error) if is_closed_pipe(&error) => Ok(()),
        outcome => outcome,
    }
}

/// Who reads what is printed has seen enough, `head` for one.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

async fn show(arguments: &LogsArguments) -> anyhow::Result<()> {
    let remote = Remote::of(&arguments.host)?;
    let progress = TerminalProgress::new();
    let mut shown = Shown::default();
    let mut lines = open(&remote, arguments, &shown).await.map_err(Refused::blamed)?;
    loop {
        shown.begins(lines.from());
        let broken = match print_all(&mut lines, &mut shown, arguments).await? {
            Ok(()) if arguments.follow => {
                progress.note("the host has stopped; its log goes on when it is started again");
                return Ok(());
            }
            Ok(()) => return Ok(()),
            Err(broken) if arguments.follow => broken,
            Err(broken) => return Err(broken),
        };
        progress.note(&format!("the connection to {} broke ({broken:#}); connecting again", remote.url()));
        lines = open_again(&remote, arguments, &shown).await?;
        progress.note("connected again");
    }
}

async fn open(remote: &Remote, arguments: &LogsArguments, shown: &Shown) -> anyhow::Result<LogLines> {
    let limit = arguments.limit.to_string();
    let from = shown.from().map(|from| from.to_rfc3339_opts(SecondsFormat::Micros, true));
    let path = with_query(
        "/logs",
        &[
            ("function", arguments.slug.as_deref()),
            ("since", arguments.since.as_deref()),
            ("level", Some(arguments.level.as_str())),
            ("limit", Some(&limit)),
            ("follow", arguments.follow.then_some("true")),
            ("from", from.as_deref()),
        ],
    );
    let response = tokio::time::timeout(HEAD_TIMEOUT, remote.stream(&path)).await;
    let response = response.with_context(|| format!("{} does not answer", remote.url()))??;
    Ok(LogLines::new(response))
}

async fn open_again(remote: &Remote, arguments: &LogsArguments, shown: &Shown) -> anyhow::Result<LogLines> {
    let since = Instant::now();
    let mut pause = RETRY_MIN;
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
        let error = match open(remote, arguments, shown).await {
            Ok(lines) => return Ok(lines),
            Err(error) => error,
        };
        let may_pass = error.downcast_ref::<Refused>().is_none_or(|told| told.status.is_server_error());
        if !may_pass || since.elapsed() > RETRY_PATIENCE {
            return Err(error.context("following was given up"));
        }
    }
}

/// Prints to the end of the answer. The outer error is of printing, the inner one of the connection.
async fn print_all(
    lines: &mut LogLines,
    shown: &mut Shown,
    arguments: &LogsArguments,
) -> anyhow::Result<anyhow::Result<()>> {
    let mut out = std::io::stdout();
    loop {
        let line = match lines.next().await {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        };
        let entry: Value = match serde_json::from_slice(&line) {
            Ok(entry) => entry,
            Err(error) => return Err(anyhow!(error).context("the answer is no log; check the URL")),
        };
        if !shown.is_new(&entry) {
            continue;
        }
        if arguments.json {
            out.write_all(&line)?;
            out.write_all(b"\n")?;
        } else {
            writeln!(out, "{}", text(&entry, arguments.slug.is_none()))?;
        }
    }
}

fn text(entry: &Value, names_function: bool) -> String {
    let word = |key: &str| entry[key].as_str().unwrap_or_default();
    let duration =
        |key: &str| Duration::from_secs_f64(entry[key].as_f64().unwrap_or_default().max(0.0) / 1000.0);
    let message = word("message");
    let text = match word("event") {
        "boot" => format!("worker booted in {:.1?}", duration("duration_ms")),
        "shutdown" => format!("worker retired: {message}"),
        "invocation" => {
            let mebibytes = entry["memory_bytes"].as_f64().unwrap_or_default() / f64::from(1 << 20);
            let mut text = format!(
                "{} in {:.1?} (cpu {:.1?}, {mebibytes:.1} MiB, waited {:.1?})",
                entry["status"],
                duration("duration_ms"),
                duration("cpu_ms"),
                duration("queue_wait_ms")
            );
            if let Some(failure) = entry["failure"].as_str() {
                text = format!("{text} {failure}: {message}");
            }
            match entry["left_out"].as_u64() {
                Some(left_out) if left_out > 0 => format!("{text} [and {left_out} more before]"),
                _ => text,
            }
        }
        _ => message.to_owned(),
    };
    let time = word("timestamp").parse::<DateTime<Utc>>().unwrap_or_default();
    let time = time.format("%Y-%m-%d %H:%M:%S%.3f");
    let function = if names_function { format!("{} ", word("function")) } else { String::new() };
    format!("{time} {:5} {function}{text}", word("level"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::text;

    #[test]
    fn an_invocation_is_told_in_a_line() {
        let entry = json!({
            "timestamp": "2026-01-31T12:00:00.123456Z", "function": "pay", "level": "error", "event": "invocation",
            "message": "no disk", "status": 500, "failure": "crashed", "duration_ms": 12.5, "cpu_ms": 2.25,
            "queue_wait_ms": 0.01, "memory_bytes": 3_145_728, "left_out": 2,
        });
        assert_eq!(
            text(&entry, true),
            "2026-01-31 12:00:00.123 error pay 500 in 12.5ms (cpu 2.2ms, 3.0 MiB, waited 10.0µs) crashed: no disk \
             [and 2 more before]"
        );
        let entry = json!({
            "timestamp": "2026-01-31T12:00:00Z", "level": "info", "event": "line", "message": "hello",
        });
        assert_eq!(text(&entry, false), "2026-01-31 12:00:00.000 info  hello");
    }
}
