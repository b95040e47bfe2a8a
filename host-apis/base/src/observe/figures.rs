//! The figures of functions as read at one moment, and as Prometheus scrapes them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::function::Counts;
use super::functions::Functions;
use super::histogram::DurationsRead;
use crate::{Blame, FailureKind, Target};

/// What one function did since the host started.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionFigures {
    pub target: Target,
    /// Invocations that the function answered itself, whatever the status.
    pub ok: u64,
    /// The others, by kind; only kinds that occurred.
    pub failed: Vec<(FailureKind, u64)>,
    /// Invocations that waited for a worker to boot.
    pub cold_starts: u64,
    pub boots: u64,
    /// CPU time of all its workers.
    pub cpu: Duration,
    /// The most that one worker or instance held.
    pub memory_bytes_peak: u64,
    pub lines: u64,
    pub lines_dropped: u64,
    pub duration: DurationsRead,
    pub queue_wait: DurationsRead,
}

impl FunctionFigures {
    pub(super) fn read(target: &Target, counts: &Counts) -> Self {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let failed = FailureKind::ALL.into_iter().zip(counts.failed.iter().map(load));
        Self {
            target: target.clone(),
            ok: load(&counts.ok),
            failed: failed.filter(|(_, count)| *count > 0).collect(),
            cold_starts: load(&counts.cold_starts),
            boots: load(&counts.boots),
            cpu: Duration::from_nanos(load(&counts.cpu_nanos)),
            memory_bytes_peak: load(&counts.memory_bytes_peak),
            lines: load(&counts.lines),
            lines_dropped: load(&counts.lines_dropped),
            duration: counts.duration.read(),
            queue_wait: counts.queue_wait.read(),
        }
    }

    /// All invocations, however they ended.
    pub fn invocations(&self) -> u64 {
        self.ok + self.failed.iter().map(|(_, count)| count).sum::<u64>()
    }

    /// Those that failed by this one's fault.
    pub fn failed_by(&self, blame: Blame) -> u64 {
        self.failed.iter().filter(|(kind, _)| kind.blame() == blame).map(|(_, count)| count).sum()
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FunctionLabels {
    function: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    function: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BlameLabels {
    function: String,
    blame: &'static str,
}

/// Reads all functions when Prometheus asks.
pub(super) struct Scrape(pub(super) Functions);

impl fmt::Debug for Scrape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Scrape")
    }
}

/// A counter or gauge: name, help, and how it is read.
type Number = (&'static str, &'static str, fn(&FunctionFigures) -> f64);

const COUNTERS: &[Number] = &[
    ("function_cold_starts", "Invocations that waited for a worker to boot", |one| one.cold_starts as f64),
    ("function_boots", "Workers booted", |one| one.boots as f64),
    ("function_cpu_seconds", "CPU time of a function's workers", |one| one.cpu.as_secs_f64()),
    ("function_log_lines", "Lines a function logged", |one| one.lines as f64),
    ("guest_log_lines_dropped", "Log lines over the rate bound", |one| one.lines_dropped as f64),
];

const GAUGES: &[Number] =
    &[("function_memory_peak_bytes", "The most that one worker or instance of a function held", |one| {
        one.memory_bytes_peak as f64
    })];

type HistogramOf = (&'static str, &'static str, fn(&FunctionFigures) -> &DurationsRead);

const HISTOGRAMS: &[HistogramOf] = &[
    ("function_seconds", "Time of an invocation from its worker's call to its last byte", |one| {
        &one.duration
    }),
    ("queue_seconds", "Wait of an invocation for a worker", |one| &one.queue_wait),
];

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.0.figures();
        encode_outcomes(&mut encoder, &all)?;
        for (name, help, read) in COUNTERS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for one in &all {
                counter(metric.encode_family(&labels(one))?, read(one))?;
            }
        }
        for (name, help, read) in GAUGES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for one in &all {
                metric.encode_family(&labels(one))?.encode_gauge(&read(one))?;
            }
        }
        for (name, help, read) in HISTOGRAMS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
            for one in &all {
                let durations = read(one);
                let buckets: Vec<_> = durations
                    .buckets
                    .iter()
                    .map(|(bound, count)| (if bound.is_finite() { *bound } else { f64::MAX }, *count))
                    .collect();
                metric.encode_family(&labels(one))?.encode_histogram::<NoLabelSet>(
                    durations.sum.as_secs_f64(),
                    durations.count,
                    &buckets,
                    None,
                )?;
            }
        }
        Ok(())
    }
}

fn encode_outcomes(encoder: &mut DescriptorEncoder<'_>, all: &[FunctionFigures]) -> fmt::Result {
    let help = "Function invocations by outcome";
    let mut metric = encoder.encode_descriptor("invocations", help, None, MetricType::Counter)?;
    for one in all {
        let failed = one.failed.iter().map(|(kind, count)| (kind.reason(), *count));
        let ok = (one.ok > 0).then_some(("ok", one.ok));
        for (outcome, count) in ok.into_iter().chain(failed) {
            let labels = OutcomeLabels { function: one.target.to_string(), outcome };
            counter(metric.encode_family(&labels)?, count as f64)?;
        }
    }
    let help = "Failed invocations by whose fault it was";
    let mut metric = encoder.encode_descriptor("invocation_failures", help, None, MetricType::Counter)?;
    for one in all {
        for blame in [Blame::Client, Blame::Guest, Blame::Host, Blame::Upstream] {
            let count = one.failed_by(blame);
            if count > 0 {
                let labels = BlameLabels { function: one.target.to_string(), blame: blame.label() };
                counter(metric.encode_family(&labels)?, count as f64)?;
            }
        }
    }
    Ok(())
}

fn labels(figures: &FunctionFigures) -> FunctionLabels {
    FunctionLabels { function: figures.target.to_string() }
}

fn counter(mut metric: MetricEncoder<'_>, value: f64) -> fmt::Result {
    // Whole numbers as such, so that counts read as counts.
    if value.fract() == 0.0 && value < 1e15 {
        metric.encode_counter::<NoLabelSet, _, u64>(&(value as u64), None)
    } else {
        metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }
}
