//! The figures of all functions as one JSON document: what the admin port and the Management API answer,
//! `isobase functions stats` and dashboards read.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{DurationsRead, FunctionFigures};
use crate::{Blame, TargetKind};

pub(super) fn document(figures: &[FunctionFigures]) -> Value {
    json!({ "functions": figures.iter().map(function).collect::<Vec<_>>() })
}

/// Times are in milliseconds, memory in bytes. Counted since the host started.
fn function(figures: &FunctionFigures) -> Value {
    let failures: Map<_, _> =
        figures.failed.iter().map(|(kind, count)| (kind.reason().to_owned(), json!(count))).collect();
    let blames = [Blame::Client, Blame::Guest, Blame::Host, Blame::Upstream];
    let blamed: Map<_, _> =
        blames.into_iter().map(|blame| (blame.label().to_owned(), json!(figures.failed_by(blame)))).collect();
    json!({
        "function": figures.target.slug().as_str(),
        "builtin": figures.target.kind() == TargetKind::Builtin,
        "invocations": figures.invocations(),
        "ok": figures.ok,
        "failures": failures,
        "failures_by_blame": blamed,
        "cold_starts": figures.cold_starts,
        "boots": figures.boots,
        "cpu_ms": millis(figures.cpu),
        "memory_peak_bytes": figures.memory_bytes_peak,
        "log_lines": figures.lines,
        "log_lines_dropped": figures.lines_dropped,
        "duration_ms": durations(&figures.duration),
        "queue_wait_ms": durations(&figures.queue_wait),
    })
}

/// Quantiles are upper bounds of histogram buckets; null above the last one.
fn durations(read: &DurationsRead) -> Value {
    let quantile = |share| read.quantile(share).map(millis);
    json!({ "sum": millis(read.sum), "p50": quantile(0.5), "p95": quantile(0.95), "p99": quantile(0.99) })
}

fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
