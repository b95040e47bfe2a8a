//! `isobase functions logs`: what functions wrote, and how their invocations ended.
#![allow(clippy::print_stdout, reason = "printing is what the command does")]

use std::future::poll_fn;
use std::time::Duration;

use anyhow::{Context, anyhow};
use chrono::{DateTime, Utc};
use isobase_base::FunctionSlug;
use isobase_base::observe::GuestLevel;
use isobase_base::task::{self, TaskKind};
use isobase_logs::{CHANNEL, EntryEvent, LogCursor, LogQuery, LogReader, LoggedEntry};
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, NoTls};

use crate::BadConfig;
use crate::args::{LogLevel, LogsArguments};
use crate::transport::Transport;

/// How often a follower looks without having been told: for entries that became old enough to be
/// sorted in, and as a net below lost notifications.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

pub(crate) fn run(arguments: &LogsArguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("could not start the asynchronous runtime")?;
    runtime.block_on(show(arguments))
}

async fn show(arguments: &LogsArguments) -> anyhow::Result<()> {
    let function = arguments.slug.as_deref().map(FunctionSlug::parse).transpose().context(BadConfig)?;
    let now = Utc::now();
    let since = arguments.since.as_deref().map(|text| since(text, now)).transpose().context(BadConfig)?;
    let query = LogQuery { function, since, level_min: level(arguments.level) };
    let transport = Transport::open(&arguments.project.workdir)?;
    let reader = transport.logs();
    // Before the first look, so that nothing falls between the two.
    let woken = match arguments.follow {
        true => Some(listen(transport.database_url()).await?),
        false => None,
    };
    let entries = reader.latest(&query, arguments.limit).await?;
    let print = |entry: &LoggedEntry| println!("{}", line(entry, arguments));
    entries.iter().for_each(print);
    match woken {
        Some(woken) => follow(&reader, &query, LogCursor::behind(&entries, now), woken, print).await,
        None => Ok(()),
    }
}

async fn follow(
    reader: &LogReader,
    query: &LogQuery,
    mut cursor: LogCursor,
    mut woken: mpsc::Receiver<()>,
    print: impl Fn(&LoggedEntry),
) -> anyhow::Result<()> {
    loop {
        loop {
            let entries = reader.newer(query, &mut cursor).await?;
            if entries.is_empty() {
                break;
            }
            entries.iter().for_each(&print);
        }
        if let Ok(None) = tokio::time::timeout(LOOK_INTERVAL, woken.recv()).await {
            return Err(anyhow!("the connection to the database has ended; does the project still run?"));
        }
    }
}

/// A receiver that gets something whenever entries were written, until the connection ends.
async fn listen(url: &str) -> anyhow::Result<mpsc::Receiver<()>> {
    let (client, mut connection) =
        tokio_postgres::connect(url, NoTls).await.context("could not connect to the database")?;
    // One waiting wake-up stands for all that come until it is seen.
    let (wake, woken) = mpsc::channel(1);
    task::spawn(TaskKind::Request, "log notifications", async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if matches!(message, AsyncMessage::Notification(_)) {
                _ = wake.try_send(());
            }
        }
    });
    client.batch_execute(&format!("listen {CHANNEL}")).await.context("could not listen")?;
    // The connection lives as long as its client, and this command does not end before.
    std::mem::forget(client);
    Ok(woken)
}

fn level(level: LogLevel) -> GuestLevel {
    match level {
        LogLevel::Debug => GuestLevel::Debug,
        LogLevel::Info => GuestLevel::Info,
        LogLevel::Warn => GuestLevel::Warn,
        LogLevel::Error => GuestLevel::Error,
    }
}

/// A time, or how long before `now`.
fn since(text: &str, now: DateTime<Utc>) -> anyhow::Result<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    let bad = || {
        anyhow!(
            "--since {text:?} is no time such as 2026-01-31T12:00:00Z and no span such as 90s, 10m, 2h or 1d"
        )
    };
    let unit = text.chars().last().ok_or_else(bad)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(bad()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| bad())?;
    let span = Duration::from_secs(count.checked_mul(seconds).ok_or_else(bad)?);
    now.checked_sub_signed(chrono::Duration::from_std(span).map_err(|_| bad())?).ok_or_else(bad)
}

fn line(entry: &LoggedEntry, arguments: &LogsArguments) -> String {
    if arguments.json {
        return json(entry).to_string();
    }
    let time = entry.logged_at.format("%Y-%m-%d %H:%M:%S%.3f");
    let function = if arguments.slug.is_none() { format!("{} ", entry.function) } else { String::new() };
    let text = match &entry.event {
        EntryEvent::Line => entry.message.clone(),
        EntryEvent::Boot { duration } => format!("worker booted in {duration:.1?}"),
        EntryEvent::Shutdown => format!("worker retired: {}", entry.message),
        EntryEvent::Invocation { status, failure, duration, queue_wait, cpu, memory_bytes, left_out } => {
            let mebibytes = *memory_bytes as f64 / f64::from(1 << 20);
            let mut text = format!(
                "{status} in {duration:.1?} (cpu {cpu:.1?}, {mebibytes:.1} MiB, waited {queue_wait:.1?})"
            );
            if let Some(failure) = failure {
                text = format!("{text} {failure}: {}", entry.message);
            }
            if *left_out > 0 {
                text = format!("{text} [and {left_out} more before]");
            }
            text
        }
    };
    format!("{time} {:5} {function}{text}", entry.level)
}

fn json(entry: &LoggedEntry) -> serde_json::Value {
    let mut object = serde_json::json!({
        "timestamp": entry.logged_at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        "function": entry.function,
        "level": entry.level,
        "version": entry.version,
        "request_id": entry.request_id.map(|id| id.to_string()),
        "message": entry.message,
    });
    let millis = |duration: &Duration| duration.as_micros() as f64 / 1000.0;
    let more = match &entry.event {
        EntryEvent::Line => serde_json::json!({ "event": "line" }),
        EntryEvent::Shutdown => serde_json::json!({ "event": "shutdown" }),
        EntryEvent::Boot { duration } => {
            serde_json::json!({ "event": "boot", "duration_ms": millis(duration) })
        }
        EntryEvent::Invocation { status, failure, duration, queue_wait, cpu, memory_bytes, left_out } => {
            serde_json::json!({
                "event": "invocation",
                "status": status,
                "failure": failure,
                "duration_ms": millis(duration),
                "queue_wait_ms": millis(queue_wait),
                "cpu_ms": millis(cpu),
                "memory_bytes": memory_bytes,
                "left_out": left_out,
            })
        }
    };
    if let (Some(object), serde_json::Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
    object
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::since;

    #[test]
    fn times_and_spans() {
        let now: DateTime<Utc> = "2026-01-31T12:00:00Z".parse().unwrap();
        let shown = |text| since(text, now).map(|time| time.to_rfc3339()).unwrap_or_else(|_| "bad".into());
        assert_eq!(shown("90s"), "2026-01-31T11:58:30+00:00");
        assert_eq!(shown("2h"), "2026-01-31T10:00:00+00:00");
        assert_eq!(shown("1d"), "2026-01-30T12:00:00+00:00");
        assert_eq!(shown("2026-01-01T01:00:00+01:00"), "2026-01-01T00:00:00+00:00");
        for bad in ["", "m", "10", "-5m", "5 m", "1w", "5€", "99999999999999999999d", "yesterday"] {
            assert_eq!(shown(bad), "bad", "{bad}");
        }
    }
}
