//! Deployed versions: from the upload until a request is answered by it, and back again.

use std::time::Instant;

use anyhow::ensure;
use serde_json::json;

use crate::load::median;
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};

const SAMPLES: usize = 20;
/// Milliseconds at the median.
const DEPLOY_GOAL: f64 = 400.0;
const ROLLBACK_GOAL: f64 = 50.0;

pub(crate) async fn measure(product: &Product) -> anyhow::Result<Measured> {
    progress("deploys and rollbacks");
    let client = product.client(product.value("ACCESS_TOKEN")?);
    let caller = product.client(product.value("ANON_KEY")?);
    let functions = format!("/v1/projects/{}/functions", product.value("PROJECT_REF")?);
    let mut deploys = Vec::with_capacity(SAMPLES);
    for version in 1..=SAMPLES {
        let answer = format!("version {version}");
        let upload = json!({
            "slug": "deployed",
            "body": format!("Deno.serve(() => new Response({answer:?}));\n"),
        });
        let since = Instant::now();
        let deployed = client.post(&functions, &upload).await?;
        ensure!(deployed.status.is_success(), "the deploy was refused: {}", deployed.body);
        caller.expect("isobase", "/functions/v1/deployed", |body| body == answer).await?;
        deploys.push(since.elapsed().as_secs_f64() * 1000.0);
    }
    let mut rollbacks = Vec::with_capacity(SAMPLES);
    for round in 0..SAMPLES {
        let version = SAMPLES - 1 + round % 2;
        let since = Instant::now();
        let path = format!("{functions}/deployed/rollback");
        let flipped = client.post(&path, &json!({ "version": version })).await?;
        ensure!(flipped.status.is_success(), "the rollback was refused: {}", flipped.body);
        let answer = format!("version {version}");
        caller.expect("isobase", "/functions/v1/deployed", |body| body == answer).await?;
        rollbacks.push(since.elapsed().as_secs_f64() * 1000.0);
    }
    let figure = |name: &str, samples, goal, how: String| Figure {
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
                "deploy",
                deploys,
                DEPLOY_GOAL,
                format!("p50 of {SAMPLES}: upload of the sources until a request is answered by the version"),
            ),
            figure(
                "rollback",
                rollbacks,
                ROLLBACK_GOAL,
                format!("p50 of {SAMPLES}: the call until a request is answered by the other version"),
            ),
        ],
        left_out: Vec::new(),
    })
}
