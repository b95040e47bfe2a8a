//! What a function that spins costs the one beside it.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;

use crate::http::Client;
use crate::load::percentile;
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};

/// One call after another for this long.
const RUN: Duration = Duration::from_secs(4);
/// Times the latency at rest.
const GOAL: f64 = 2.0;

pub(crate) async fn measure(product: &Product) -> anyhow::Result<Measured> {
    progress("a function's latency while another one spins");
    let client = product.client(product.value("ACCESS_TOKEN")?);
    let functions = format!("/v1/projects/{}/functions", product.value("PROJECT_REF")?);
    let spinner = json!({ "slug": "spinner", "body": "Deno.serve(() => { for (;;); });\n" });
    let deployed = client.post(&functions, &spinner).await?;
    ensure!(deployed.status.is_success(), "the deploy was refused: {}", deployed.body);
    let caller = product.client(product.value("ANON_KEY")?);
    let alone = percentile(sample(&caller).await?, 99);
    let spinning = async {
        loop {
            // Ended by its CPU limit, and called again.
            _ = caller.get("/functions/v1/spinner").await;
        }
    };
    let beside = tokio::select! {
        samples = sample(&caller) => percentile(samples?, 99),
        () = spinning => unreachable!("it never ends"),
    };
    Ok(Measured {
        figures: vec![Figure {
            name: "p99 beside a function that spins".into(),
            ours: beside,
            unit: Unit::Milliseconds,
            peer: Some(("the same, alone", alone)),
            goal: Goal::AtMost(alone * GOAL),
            how: format!("one call after another for {RUN:?}, at the client; the goal is {GOAL} times alone"),
        }],
        left_out: Vec::new(),
    })
}

/// Milliseconds of calls, one after another.
async fn sample(caller: &Client) -> anyhow::Result<Vec<f64>> {
    let (began, mut samples) = (Instant::now(), Vec::new());
    while began.elapsed() < RUN {
        let since = Instant::now();
        caller.expect("isobase", "/functions/v1/hello-0", |body| body == "hello").await?;
        samples.push(since.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(samples)
}
