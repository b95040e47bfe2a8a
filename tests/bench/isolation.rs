//! What a process of its own costs a function, beside an isolate in the host.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::fixture::ISOLATED;
use crate::http::Client;
use crate::load::median;
use crate::memory::proportional_of_tree;
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};
use crate::token;

/// Between two first requests, so that a process, or an isolate, is ready again.
const REST: Duration = Duration::from_millis(500);
/// One call after another for this long.
const RUN: Duration = Duration::from_secs(3);
/// Half of the functions of a kind are called when nothing but them happens, the rest back to back.
const RESTED: usize = ISOLATED / 2;

/// What the functions of one kind have cost.
struct Costs {
    ready: f64,
    hurried: f64,
    warm: f64,
    memory: f64,
}

/// The first [`ISOLATED`] functions have a process, as many after them have none.
pub(crate) async fn measure(product: &Product) -> anyhow::Result<Measured> {
    progress("functions in processes of their own, and in isolates of the host");
    let client = product.client(&product.token(token::USER)?);
    client.expect("isobase", "/functions/v1/_internal/health", |_| true).await?;
    let inside = costs(product, &client, ISOLATED).await?;
    let process = costs(product, &client, 0).await?;
    let figure = |name: &str, unit, ours, peer, how: &str| Figure {
        name: name.into(),
        ours,
        unit,
        peer: Some(("in an isolate of the host", peer)),
        goal: Goal::Information,
        how: how.into(),
    };
    let ready = format!("p50 of {RESTED} functions never called before, {REST:?} apart, at the client");
    let hurried = format!("p50 of {} functions never called before, back to back", ISOLATED - RESTED);
    let warm = format!("p50 of calls one after another for {RUN:?}, at the client");
    let memory =
        format!("PSS of all processes after one request to each of {ISOLATED}, less before, by function");
    Ok(Measured {
        figures: vec![
            figure("process: first request", Unit::Milliseconds, process.ready, inside.ready, &ready),
            figure(
                "process: first, in a hurry",
                Unit::Milliseconds,
                process.hurried,
                inside.hurried,
                &hurried,
            ),
            figure("process: warm request", Unit::Microseconds, process.warm, inside.warm, &warm),
            figure("process: memory", Unit::Mebibytes, process.memory, inside.memory, &memory),
        ],
        left_out: Vec::new(),
    })
}

async fn costs(product: &Product, client: &Client, from: usize) -> anyhow::Result<Costs> {
    let before = proportional_of_tree(product.process_id()?)?;
    let ready = first_requests(client, from..from + RESTED, Some(REST)).await?;
    let hurried = first_requests(client, from + RESTED..from + ISOLATED, None).await?;
    tokio::time::sleep(REST).await;
    let memory = (proportional_of_tree(product.process_id()?)? - before) / ISOLATED as f64;
    let (began, mut warm) = (Instant::now(), Vec::new());
    while began.elapsed() < RUN {
        warm.push(call(client, from).await? * 1000.0);
    }
    Ok(Costs { ready: median(ready), hurried: median(hurried), warm: median(warm), memory })
}

async fn first_requests(
    client: &Client,
    functions: Range<usize>,
    rest: Option<Duration>,
) -> anyhow::Result<Vec<f64>> {
    let mut samples = Vec::with_capacity(functions.len());
    for index in functions {
        if let Some(rest) = rest {
            tokio::time::sleep(rest).await;
        }
        samples.push(call(client, index).await?);
    }
    Ok(samples)
}

/// Milliseconds.
async fn call(client: &Client, index: usize) -> anyhow::Result<f64> {
    let since = Instant::now();
    client.expect("isobase", &format!("/functions/v1/hello-{index}"), |body| body == "hello").await?;
    Ok(since.elapsed().as_secs_f64() * 1000.0)
}
