//! Memory over time: what the host holds after many requests and many isolates that came and went, beside what it
//! held when it had warmed up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;

use crate::fixture::RECYCLED_FUNCTIONS;
use crate::http::Client;
use crate::memory::{growth, resident};
use crate::options::Options;
use crate::product::Product;
use crate::report::{Measured, progress};

/// Requests at once.
const CALLERS: usize = 16;
/// A tenth of either warms up: caches and arenas fill.
const WARM_UP_PARTS: usize = 10;
/// Memory of ended isolates goes back to the system after a moment of quiet.
const QUIET: Duration = Duration::from_millis(1_500);
const LOOKS_MAX: usize = 20;
/// Two looks that differ by less, in mebibytes, are one state.
const STILL: f64 = 1.0;
const TOLD_PARTS: usize = 10;

pub(crate) async fn measure(product: &Product, options: &Options) -> anyhow::Result<Measured> {
    let client = product.client(product.value("ANON_KEY")?);
    let process = product.process_id()?;
    let mut figures = Vec::new();
    let (requests, recycles) = (options.soak_requests, options.soak_recycles);
    progress(&format!("memory over {requests} requests and {recycles} isolates"));
    for (what, count, is_recycling) in [("requests", requests, false), ("isolates", recycles, true)] {
        run(&client, process, what, count.div_ceil(WARM_UP_PARTS), is_recycling).await?;
        let before = settled(process).await?;
        run(&client, process, what, count, is_recycling).await?;
        let after = settled(process).await?;
        let name = format!("memory after {count} {what}");
        let how = format!("at rest; {CALLERS} callers");
        figures.push(growth(name, ("after a tenth as many", before), after, &how));
    }
    Ok(Measured { figures, left_out: Vec::new() })
}

/// Calls until `count` answers are there, and tells how memory goes.
async fn run(
    client: &Client,
    process: i32,
    what: &str,
    count: usize,
    is_recycling: bool,
) -> anyhow::Result<()> {
    let answered = AtomicUsize::new(0);
    let part = count.div_ceil(TOLD_PARTS);
    let callers = (0..CALLERS).map(async |caller| -> anyhow::Result<()> {
        let function = caller % RECYCLED_FUNCTIONS;
        let path = if is_recycling {
            format!("/functions/v1/recycled-{function}")
        } else {
            "/functions/v1/hello".to_owned()
        };
        while answered.load(Ordering::Relaxed) < count {
            if is_recycling {
                // Who comes while the isolate ends is sent away, and is not counted.
                if !client.get(&path).await?.is_ok() {
                    continue;
                }
            } else {
                client.expect("isobase", &path, |body| body == "hello").await?;
            }
            let done = answered.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(part) {
                progress(&format!("  {done} {what}: {:.1} MiB", resident(process)?));
            }
        }
        Ok(())
    });
    join_all(callers).await.into_iter().collect()
}

/// Resident memory once it no longer changes.
async fn settled(process: i32) -> anyhow::Result<f64> {
    let mut last = f64::INFINITY;
    for _ in 0..LOOKS_MAX {
        tokio::time::sleep(QUIET).await;
        let now = resident(process)?;
        if (now - last).abs() < STILL {
            return Ok(now);
        }
        last = now;
    }
    Ok(last)
}
