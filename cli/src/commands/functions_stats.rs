//! `isobase functions stats`: what functions did since their host started.
#![allow(clippy::print_stdout, reason = "printing is what the command does")]

use anyhow::bail;
use http::Method;
use serde_json::Value;

use crate::args::StatsArguments;
use crate::remote::{Remote, block_on};

pub(crate) fn run(arguments: &StatsArguments) -> anyhow::Result<()> {
    let remote = Remote::of(&arguments.host)?;
    let mut document = block_on(remote.manage(Method::GET, "/stats", None))?;
    let functions = document["functions"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let is_wanted = |one: &Value| match &arguments.slug {
        Some(slug) => one["function"] == slug.as_str(),
        None => one["builtin"] == false,
    };
    let wanted: Vec<Value> = functions.into_iter().filter(is_wanted).collect();
    if let (Some(slug), true) = (&arguments.slug, wanted.is_empty()) {
        bail!("no function {slug} was published since the host started");
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&wanted)?);
        return Ok(());
    }
    println!(
        "{:24} {:>9} {:>7} {:>7} {:>7} {:>6} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "FUNCTION",
        "CALLS",
        "CLIENT",
        "GUEST",
        "HOST",
        "COLD",
        "P50 ms",
        "P95 ms",
        "WAIT P95",
        "CPU s",
        "PEAK MiB"
    );
    for one in &wanted {
        let count = |value: &Value| value.as_u64().unwrap_or_default();
        let blamed = |blame: &str| count(&one["failures_by_blame"][blame]);
        // Above the last bucket there is no bound.
        let bound =
            |value: &Value| value.as_f64().map_or_else(|| "-".to_owned(), |millis| format!("{millis}"));
        println!(
            "{:24} {:>9} {:>7} {:>7} {:>7} {:>6} {:>9} {:>9} {:>9} {:>9.2} {:>9.1}",
            one["function"].as_str().unwrap_or_default(),
            count(&one["invocations"]),
            blamed("client"),
            blamed("guest") + blamed("upstream"),
            blamed("host"),
            count(&one["cold_starts"]),
            bound(&one["duration_ms"]["p50"]),
            bound(&one["duration_ms"]["p95"]),
            bound(&one["queue_wait_ms"]["p95"]),
            one["cpu_ms"].as_f64().unwrap_or_default() / 1000.0,
            count(&one["memory_peak_bytes"]) as f64 / f64::from(1 << 20),
        );
    }
    Ok(())
}
