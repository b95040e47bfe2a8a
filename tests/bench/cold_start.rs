//! The first request of a TypeScript function: isolate, module, handler, answer.
//!
//! Each sample is a function that never ran in this process, so nothing of it is warm but what the
//! engine keeps ready for whoever comes next.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::fixture::Workplace;
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
/// Functions in `tests/bench/packages`, with a goal each, in milliseconds at the median.
const PACKAGES: [(&str, f64); 3] = [("supabase-js", 10.0), ("openai", 18.0), ("drizzle", 20.0)];
const PACKAGE_FUNCTIONS: usize = 21;

/// A project of them.
pub(crate) fn packages() -> anyhow::Result<Workplace> {
    Workplace::with_packages(&PACKAGES.map(|(name, _)| name), PACKAGE_FUNCTIONS)
}

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

/// The same with packages of npm: what is kept ready has Node's modules, and the code of packages is compiled.
pub(crate) async fn measure_packages(product: &Product) -> anyhow::Result<Measured> {
    let mut figures = Vec::with_capacity(PACKAGES.len());
    for (name, goal) in PACKAGES {
        progress(&format!("first requests of functions with {name}"));
        let samples = first_requests_of(product, name, 0..PACKAGE_FUNCTIONS, Some(REST)).await?;
        // The first function compiles what the others share.
        let samples = samples[1..].to_vec();
        figures.push(Figure {
            name: format!("first request, {name}"),
            how: format!(
                "p50 of {} functions never called before, {REST:?} apart, after one more; at the client",
                samples.len()
            ),
            ours: median(samples),
            unit: Unit::Milliseconds,
            peer: None,
            goal: Goal::AtMost(goal),
        });
    }
    Ok(Measured { figures, left_out: Vec::new() })
}

async fn first_requests(product: &Product, from: usize, rest: Option<Duration>) -> anyhow::Result<Vec<f64>> {
    first_requests_of(product, "hello", from..from + SAMPLES, rest).await
}

async fn first_requests_of(
    product: &Product,
    name: &str,
    functions: Range<usize>,
    rest: Option<Duration>,
) -> anyhow::Result<Vec<f64>> {
    let client = product.client(&product.token(token::USER)?);
    // The connection and the verified token are not what is measured.
    client.expect("isobase", "/functions/v1/_internal/health", |_| true).await?;
    let mut samples = Vec::with_capacity(functions.len());
    for index in functions {
        if let Some(rest) = rest {
            tokio::time::sleep(rest).await;
        }
        let since = Instant::now();
        client.expect("isobase", &format!("/functions/v1/{name}-{index}"), |body| body == "hello").await?;
        samples.push(since.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(samples)
}
