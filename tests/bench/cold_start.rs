//! The first request of a TypeScript function: isolate, module, handler, answer.
//!
//! Each sample is a function that never ran in this process, so nothing of it is warm but what the
//! engine keeps ready for whoever comes next.

use std::time::{Duration, Instant};

use crate::load::median;
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};
use crate::token;

const SAMPLES: usize = 40;
/// Between two first requests, so that the pool of ready isolates is full again.
const REST: Duration = Duration::from_millis(60);
/// Milliseconds at the median: with a ready isolate, and when isolates are taken as fast as they are made.
const READY_GOAL: f64 = 3.0;
const HURRIED_GOAL: f64 = 8.0;

pub(crate) async fn measure(product: &Product) -> anyhow::Result<Measured> {
    progress("first requests of TypeScript functions");
    let rested = first_requests(product, 0, Some(REST)).await?;
    let hurried = first_requests(product, SAMPLES, None).await?;
    let figure = |name: &str, samples: Vec<f64>, goal, how: String| Figure {
        name: name.into(),
        ours: median(samples),
        unit: Unit::Milliseconds,
        peer: None,
        goal: Goal::AtMost(goal),
        how,
    };
    Ok(Measured {
        figures: vec![
            figure(
                "first request, ready isolate",
                rested,
                READY_GOAL,
                format!("p50 of {SAMPLES} functions never called before, {REST:?} apart, at the client"),
            ),
            figure(
                "first request, in a hurry",
                hurried,
                HURRIED_GOAL,
                format!(
                    "p50 of {SAMPLES} functions never called before, back to back: faster than isolates are readied"
                ),
            ),
        ],
        left_out: Vec::new(),
    })
}

async fn first_requests(product: &Product, from: usize, rest: Option<Duration>) -> anyhow::Result<Vec<f64>> {
    let client = product.client(&product.token(token::USER)?);
    // The connection and the verified token are not what is measured.
    client.expect("isobase", "/functions/v1/_internal/health", |_| true).await?;
    let mut samples = Vec::with_capacity(SAMPLES);
    for index in from..from + SAMPLES {
        if let Some(rest) = rest {
            tokio::time::sleep(rest).await;
        }
        let since = Instant::now();
        client.expect("isobase", &format!("/functions/v1/hello-{index}"), |body| body == "hello").await?;
        samples.push(since.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(samples)
}
