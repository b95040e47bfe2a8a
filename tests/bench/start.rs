//! The whole stack's start when its data is there already, and what it holds at rest.

use std::path::Path;

use crate::fixture::Workplace;
use crate::load::median;
use crate::memory::{proportional_of_tree, resident};
use crate::options::Options;
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};
use crate::token;

/// Milliseconds until everything is up.
const START_GOAL: f64 = 2000.0;
/// Mebibytes of the whole stack, Postgres included.
const STACK_GOAL: f64 = 300.0;

pub(crate) async fn measure(
    binary: &Path,
    workplace: &Workplace,
    options: &Options,
) -> anyhow::Result<Measured> {
    progress("start of the whole stack");
    let mut starts = Vec::new();
    let mut own = Vec::new();
    let mut stack = Vec::new();
    for round in 1..=options.rounds {
        let product = Product::start(binary, workplace).await?;
        // Up means that it answers: the first row, as a user.
        let client = product.client(&product.token(token::USER)?);
        client.expect("isobase", "/rest/v1/items?id=eq.1", |body| body.contains("Item 1")).await?;
        let started = product.up_after.as_secs_f64() * 1000.0;
        progress(&format!("  round {round}/{}: {started:.0} ms", options.rounds));
        starts.push(started);
        own.push(resident(product.process_id()?)?);
        stack.push(proportional_of_tree(product.process_id()?)?);
        product.stop().await?;
    }
    let figure = |name: &str, values, unit, goal, how: &str| Figure {
        name: name.into(),
        ours: median(values),
        unit,
        peer: None,
        goal,
        how: how.into(),
    };
    Ok(Measured {
        figures: vec![
            figure(
                "start of the whole stack",
                starts,
                Unit::Milliseconds,
                Goal::AtMost(START_GOAL),
                "second and later starts: process start until Postgres, gateway and functions are up",
            ),
            figure(
                "memory at rest, isobase",
                own,
                Unit::Mebibytes,
                Goal::Information,
                "RSS without Postgres, after one request",
            ),
            figure(
                "memory at rest, whole stack",
                stack,
                Unit::Mebibytes,
                Goal::AtMost(STACK_GOAL),
                "PSS of isobase and its Postgres, after one request",
            ),
        ],
        left_out: Vec::new(),
    })
}
