//! What results of many sizes cost the host in memory.

use std::fs;

use anyhow::Context;

use crate::memory::resident;
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};
use crate::token;

/// Bytes of a result, and the mebibytes that PostgREST's own tests allow where they have such a case.
const SIZES: [(&str, usize, Option<f64>); 5] = [
    ("10 KB", 10_000, None),
    ("1 MB", 1_000_000, Some(22.0)),
    ("10 MB", 10_000_000, Some(32.0)),
    ("50 MB", 50_000_000, Some(78.0)),
    // Memory does not grow with the result.
    ("200 MB", 200_000_000, Some(78.0)),
];
/// One after another, so that what is kept between requests would show.
const REQUESTS: usize = 5;

pub(super) async fn measure(product: &Product) -> anyhow::Result<Measured> {
    let client = product.client(&product.token(token::USER)?);
    let process = product.process_id()?;
    let mut measured = Measured::default();
    for (name, bytes, most) in SIZES {
        progress(&format!("results of {name}"));
        let before = resident(process)?;
        // From now on the kernel notes the peak anew.
        fs::write(format!("/proc/{process}/clear_refs"), "5").context("the peak cannot be reset")?;
        for _ in 0..REQUESTS {
            let path = format!("/rest/v1/rpc/large?bytes={bytes}");
            client.expect("isobase", &path, |body| body.len() == bytes + 2).await?;
        }
        measured.figures.push(Figure {
            name: format!("REST: memory for results of {name}"),
            ours: (peak(process)? - before).max(0.0),
            unit: Unit::Mebibytes,
            peer: None,
            goal: most.map_or(Goal::Information, Goal::AtMost),
            how: format!("the host's peak over {REQUESTS} requests, less what it had before"),
        });
    }
    Ok(measured)
}

/// The most that was resident, in mebibytes.
fn peak(process: i32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()).context("no VmHWM")?;
    Ok(kibibytes.parse::<f64>()? / 1024.0)
}
