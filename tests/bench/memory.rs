//! What one warm TypeScript function costs in memory.

use std::fs;

use anyhow::Context;

use crate::fixture::FUNCTIONS;
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

fn children(process: i32) -> Vec<i32> {
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
