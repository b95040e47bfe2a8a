//! From saving a function's file until a request runs the new code: the loop a developer lives in.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::fixture::Workplace;
use crate::load::median;
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};
use crate::token;

const SAMPLES: usize = 15;
/// Milliseconds at the median.
const GOAL: f64 = 100.0;
/// A change that is not served after this never will be.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks; the answer of the old code costs less.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

pub(crate) async fn measure(product: &Product, workplace: &Workplace) -> anyhow::Result<Measured> {
    progress("a saved file of a TypeScript function");
    let client = product.client(&product.token(token::USER)?);
    let file = workplace.project().join("supabase/functions/edited/index.ts");
    let mut samples = Vec::with_capacity(SAMPLES);
    for round in 0..SAMPLES {
        let wanted = format!("hello {round}");
        let since = Instant::now();
        save(&file, &format!("Deno.serve(() => new Response(\"{wanted}\"));\n"))?;
        while client.get("/functions/v1/edited").await?.body != wanted {
            if since.elapsed() > PATIENCE {
                bail!("the saved file is not served after {PATIENCE:?}");
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        samples.push(since.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(Measured {
        figures: vec![Figure {
            name: "saved file served".into(),
            ours: median(samples),
            unit: Unit::Milliseconds,
            peer: None,
            goal: Goal::AtMost(GOAL),
            how: format!("p50 of {SAMPLES} saves: write of the file until a request runs it, at the client"),
        }],
        left_out: Vec::new(),
    })
}

/// As editors do: a new file takes the place of the old one.
fn save(file: &Path, text: &str) -> anyhow::Result<()> {
    let unfinished = file.with_extension("ts.new");
    fs::write(&unfinished, text)?;
    Ok(fs::rename(unfinished, file)?)
}
