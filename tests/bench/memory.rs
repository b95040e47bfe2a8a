//! What one warm TypeScript function costs in memory.

use std::fs;

use anyhow::Context;

use crate::fixture::{FUNCTIONS, MANY_FUNCTIONS};
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};
use crate::token;

/// Mebibytes for one isolate with the web platform and no packages.
const GOAL: f64 = 3.8;
const KIBIBYTES_PER_MEBIBYTE: f64 = 1024.0;

pub(crate) async fn measure(product: &Product) -> anyhow::Result<Measured> {
    progress(&format!("memory of {FUNCTIONS} warm TypeScript functions"));
    let client = product.client(&product.token(token::USER)?);
    let before = resident(product.process_id()?)?;
    for index in 0..FUNCTIONS {
        client.expect("isobase", &format!("/functions/v1/hello-{index}"), |body| body == "hello").await?;
    }
    let after = resident(product.process_id()?)?;
    Ok(Measured {
        figures: vec![Figure {
            name: "memory of a warm TS function".into(),
            ours: (after - before) / FUNCTIONS as f64,
            unit: Unit::Mebibytes,
            peer: None,
            goal: Goal::AtMost(GOAL),
            how: format!("RSS after one request to each of {FUNCTIONS} functions, less before, by function"),
        }],
        left_out: Vec::new(),
    })
}

/// [`MANY_FUNCTIONS`] at once, in mebibytes.
const MANY_GOAL: f64 = 4096.0;

/// As many isolates as one machine is asked to keep warm.
pub(crate) async fn measure_many(product: &Product) -> anyhow::Result<Measured> {
    progress(&format!("memory of {MANY_FUNCTIONS} warm TypeScript functions"));
    let client = product.client(&product.token(token::USER)?);
    for index in 0..MANY_FUNCTIONS {
        client.expect("isobase", &format!("/functions/v1/hello-{index}"), |body| body == "hello").await?;
        if (index + 1).is_multiple_of(100) {
            progress(&format!("  {} functions: {:.1} MiB", index + 1, resident(product.process_id()?)?));
        }
    }
    let after = resident(product.process_id()?)?;
    let isolates = threads(product.process_id()?, "fn:hello-");
    anyhow::ensure!(isolates >= MANY_FUNCTIONS, "only {isolates} functions have kept their isolate");
    Ok(Measured {
        figures: vec![Figure {
            name: format!("{MANY_FUNCTIONS} warm TS functions"),
            ours: after,
            unit: Unit::Mebibytes,
            peer: None,
            goal: Goal::AtMost(MANY_GOAL),
            how: "RSS of the host after one request to each, all isolates still there".into(),
        }],
        left_out: Vec::new(),
    })
}

/// Threads of a process whose name begins so.
fn threads(process: i32, prefix: &str) -> usize {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let names = threads.filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
    names.filter(|name| name.starts_with(prefix)).count()
}

/// Times what a warmed-up host holds: one that holds more after the same work again has kept some of it.
const GROWTH_GOAL: f64 = 1.1;

/// What the host holds after work, beside what it held when it had warmed up: which is then named, in mebibytes.
pub(crate) fn growth(name: String, warm: (&'static str, f64), after: f64, how: &str) -> Figure {
    Figure {
        name,
        ours: after,
        unit: Unit::Mebibytes,
        peer: Some(warm),
        goal: Goal::AtMost(warm.1 * GROWTH_GOAL),
        how: format!("RSS of the host; {how}; the goal is {GROWTH_GOAL} times the warmed-up host"),
    }
}

/// Resident memory of one process in mebibytes.
pub(crate) fn resident(process: i32) -> anyhow::Result<f64> {
    field(&fs::read_to_string(format!("/proc/{process}/status"))?, "VmRSS:")
}

/// Resident memory of a process and all its descendants, what they share counted once.
pub(crate) fn proportional_of_tree(process: i32) -> anyhow::Result<f64> {
    let mut total = proportional(process)?;
    let mut pending = children(process);
    while let Some(process) = pending.pop() {
        // Postgres' short-lived workers may end while this looks.
        total += proportional(process).unwrap_or_default();
        pending.extend(children(process));
    }
    Ok(total)
}

fn proportional(process: i32) -> anyhow::Result<f64> {
    field(&fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?, "Pss:")
}

pub(crate) fn children(process: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        .collect()
}

fn field(text: &str, name: &str) -> anyhow::Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes =
        line.and_then(|line| line.split_whitespace().next()).and_then(|word| word.parse::<f64>().ok());
    Ok(kibibytes.with_context(|| format!("the kernel says no {name}"))? / KIBIBYTES_PER_MEBIBYTE)
}
