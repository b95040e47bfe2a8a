//! What functions log and what their invocations cost, from the command line.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::app::{App, Project};

const TALK: &str = "Deno.serve((request) => {
    const path = new URL(request.url).pathname;
    if (path.endsWith('/throw')) throw new Error('out of order');
    if (path.endsWith('/flood')) for (let i = 0; i < 500; i++) console.log(`line ${i}`);
    console.debug('fine detail');
    console.log(`hello \\u0000 ${path}`);
    console.warn('careful');
    console.error('broken');
    return new Response('said');
})";

async fn start() -> App {
    let project = Project::empty();
    project.configure("[functions.talk]\nverify_jwt = false\n[functions.still]\nverify_jwt = false");
    project.function("talk", TALK);
    project.function("still", "Deno.serve(() => new Response('still'))");
    project.start().await
}

async fn logs(app: &App, arguments: &[&str]) -> Vec<Value> {
    let all: Vec<&str> = ["functions", "logs", "--json"].iter().chain(arguments).copied().collect();
    let output = app.project.command(&all).output().await.expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

fn invocations(entries: &[Value]) -> Vec<&Value> {
    entries.iter().filter(|entry| entry["event"] == "invocation").collect()
}

#[tokio::test]
async fn lines_and_invocations_are_kept_with_their_levels_and_costs() {
    let app = start().await;
    assert_eq!(app.call("GET", "/functions/v1/talk").send().await.text(), "said");
    assert_eq!(app.call("GET", "/functions/v1/talk/throw").send().await.status, 500);
    assert_eq!(app.call("GET", "/functions/v1/still").send().await.text(), "still");
    app.until("all three invocations are written", || async {
        invocations(&logs(&app, &[]).await).len() == 3
    })
    .await;

    let entries = logs(&app, &["talk"]).await;
    let lines: Vec<_> = entries
        .iter()
        .filter(|entry| entry["event"] == "line")
        .map(|entry| format!("{} {}", entry["level"].as_str().unwrap(), entry["message"].as_str().unwrap()))
        .collect();
    assert_eq!(
        lines[..4],
        ["debug fine detail", "info hello \u{fffd} /talk", "warn careful", "error broken"]
    );
    assert!(
        lines[4].starts_with("error Error: out of order") || lines[4].contains("out of order"),
        "{lines:?}"
    );
    let [ok, thrown] = invocations(&entries)[..] else { panic!("{entries:?}") };
    assert_eq!((&ok["status"], &ok["failure"], &ok["level"]), (&200.into(), &Value::Null, &"info".into()));
    assert!(ok["cpu_ms"].as_f64().unwrap() > 0.0, "{ok}");
    assert!(ok["memory_bytes"].as_u64().unwrap() > 500_000, "{ok}");
    assert!(ok["duration_ms"].as_f64().unwrap() >= ok["cpu_ms"].as_f64().unwrap() * 0.5, "{ok}");
    assert_eq!((&thrown["status"], &thrown["failure"]), (&500.into(), &"crashed".into()));
    let id = ok["request_id"].as_str().unwrap();
    assert_eq!(entries.iter().filter(|entry| entry["request_id"] == id).count(), 5, "{entries:?}");
    assert!(entries.iter().any(|entry| entry["event"] == "boot"), "{entries:?}");

    let severe = logs(&app, &["talk", "--level", "warn"]).await;
    assert!(severe.iter().all(|entry| entry["level"] == "warn" || entry["level"] == "error"), "{severe:?}");
    assert!(logs(&app, &["talk", "--since", "2100-01-01T00:00:00Z"]).await.is_empty());
    assert_eq!(logs(&app, &["--limit", "2"]).await.len(), 2);
}

#[tokio::test]
async fn who_follows_is_woken_and_floods_are_cut() {
    let app = start().await;
    let mut command = app.project.command(&["functions", "logs", "talk", "--follow", "--json"]);
    let mut follower = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("it starts");
    let mut lines = BufReader::new(follower.stdout.take().expect("it is piped")).lines();
    let mut next = async |wanted: &str| loop {
        let line = lines.next_line().await.expect("it can be read").expect("it goes on");
        let entry: Value = serde_json::from_str(&line).expect("a JSON object");
        if entry["message"].as_str().unwrap_or_default().contains(wanted) {
            return entry;
        }
    };
    app.call("GET", "/functions/v1/talk/one").send().await;
    next("hello \u{fffd} /talk/one").await;
    app.call("GET", "/functions/v1/talk/flood").send().await;
    next("line 90").await;
    app.call("GET", "/functions/v1/talk/two").send().await;
    follower.kill().await.expect("it can be killed");

    app.until("the cost of the flood is written", || async {
        invocations(&logs(&app, &["talk"]).await).len() == 3
    })
    .await;
    let flood = logs(&app, &["talk", "--limit", "1000"]).await;
    let kept = flood.iter().filter(|entry| entry["event"] == "line").count();
    assert!(kept <= 101, "100 lines in ten seconds, and one that says how many are gone: {kept}");
}

#[tokio::test]
async fn days_are_tables_and_old_ones_are_dropped_whole() {
    let project = Project::empty();
    let app = project.start().await;
    let days = "select count(*) from pg_inherits where inhparent = 'isobase.function_logs'::regclass";
    app.until("today and tomorrow have a table", || async {
        app.host_sql(days).await[0][0].as_deref() == Some("2")
    })
    .await;
    app.host_sql(
        "create table isobase.function_logs_20200101 partition of isobase.function_logs \
         for values from ('2020-01-01 00:00:00+00') to ('2020-01-02 00:00:00+00')",
    )
    .await;
    let app = app.stop().await.start().await;
    app.until("the old day is gone", || async { app.host_sql(days).await[0][0].as_deref() == Some("2") })
        .await;
}

#[tokio::test]
async fn figures_are_shown_for_each_function() {
    let app = start().await;
    for path in ["/functions/v1/talk", "/functions/v1/talk/throw", "/functions/v1/still"] {
        app.call("GET", path).send().await;
    }
    let output = app.project.command(&["functions", "stats", "talk", "--json"]).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{output:?}"));
    let talk = &figures[0];
    assert_eq!((&talk["invocations"], &talk["ok"]), (&2.into(), &1.into()), "{talk}");
    assert_eq!(talk["failures_by_blame"]["guest"], 1, "{talk}");
    assert_eq!((&talk["cold_starts"], &talk["boots"]), (&1.into(), &1.into()), "{talk}");
    assert!(talk["cpu_ms"].as_f64().unwrap() > 0.0, "{talk}");
    assert!(talk["memory_peak_bytes"].as_u64().unwrap() > 500_000, "{talk}");
    assert!(talk["duration_ms"]["p95"].as_f64().unwrap() > 0.0, "{talk}");
    let output = app.project.command(&["functions", "stats"]).output().await.unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.lines().any(|line| line.starts_with("still ")), "{table}");
    assert!(!table.contains("rest"), "functions of the host are left out: {table}");
    let metrics = app.admin("/metrics").send().await.text();
    assert!(metrics.contains("isobase_function_cpu_seconds_total{function=\"talk\"}"), "{metrics}");
}
