//! Queues: how many single messages are sent durably, and how soon a function begins with one.
//!
//! The yardstick of sending is pgbench with `pgmq.send`: each message its own commit, and no gateway, no
//! function, no key to check.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::fixture::{Workplace, source};
use crate::load::{Contender, Load, Pgbench, Wrk, alternate, is_installed};
use crate::options::Options;
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};

const CLIENTS: u32 = 64;
/// More of them only take longer to connect: on this disk they share cores, not commits.
const PEER_CONNECTIONS: u32 = 16;
/// Durable messages per second, each sent alone.
const SENDS_GOAL: f64 = 10_000.0;
const MESSAGES: usize = 500;
/// From the call of `send` to the first line of the consumer, in milliseconds.
const START_GOAL: f64 = 10.0;
const SLOW_START_GOAL: f64 = 25.0;
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn measure(binary: &Path, options: &Options) -> anyhow::Result<Measured> {
    let workplace = Workplace::queue()?;
    let product = Product::start(binary, &workplace).await?;
    let mut measured = start_of_handlers(&product).await?;
    let sends = sends(&product, options).await?;
    measured.figures.extend(sends.figures);
    measured.left_out.extend(sends.left_out);
    product.stop().await?;
    Ok(measured)
}

async fn sends(product: &Product, options: &Options) -> anyhow::Result<Measured> {
    progress("durable single sends");
    let mut measured = Measured::default();
    if !is_installed("wrk") || !is_installed("pgbench") {
        measured.left_out.push("queue: needs wrk and pgbench; ./setup.sh bench installs them".into());
        return Ok(measured);
    }
    let ours = Wrk {
        port: product.port,
        path: "/functions/v1/enqueue".into(),
        connections: CLIENTS,
        token: Some(product.value("SERVICE_ROLE_KEY")?.to_owned()),
        script: None,
        variables: Vec::new(),
    };
    let peer = Pgbench {
        url: product.value("DB_URL")?.to_owned(),
        scripts: vec![source("queue/send.sql")],
        protocol: "prepared",
        connections: PEER_CONNECTIONS,
    };
    let contenders = [
        Contender { name: "isobase", load: Load::Wrk(ours) },
        Contender { name: "pgbench pgmq.send", load: Load::Pgbench(peer) },
    ];
    let speeds = alternate(&contenders, options).await?;
    measured.figures.push(Figure {
        name: "queue: durable single sends".into(),
        ours: speeds[0],
        unit: Unit::RequestsPerSecond,
        peer: Some((contenders[1].name, speeds[1])),
        goal: Goal::AtLeast(SENDS_GOAL),
        how: format!(
            "wrk -t1 -c{CLIENTS} on a TypeScript function that sends, a JWT each; the peer -c{PEER_CONNECTIONS} -j2, plain SQL"
        ),
    });
    Ok(measured)
}

/// One message after the other, so that none waits for another.
async fn start_of_handlers(product: &Product) -> anyhow::Result<Measured> {
    progress("from a message to its function");
    let client = product.client(product.value("SERVICE_ROLE_KEY")?);
    let handled = async || -> anyhow::Result<Vec<f64>> {
        let answer = client.get("/rest/v1/handled?select=milliseconds&order=milliseconds").await?;
        let rows: Vec<Value> = serde_json::from_str(&answer.body).context("the data API answers rows")?;
        Ok(rows.iter().filter_map(|row| row["milliseconds"].as_f64()).collect())
    };
    let since = Instant::now();
    for sent in 0..MESSAGES {
        client.expect("isobase", "/functions/v1/enqueue?queue=timed", |id| id.parse::<u64>().is_ok()).await?;
        if sent == 0 {
            // The first waits for an isolate and for prepared statements.
            while handled().await?.is_empty() {
                ensure!(since.elapsed() < PATIENCE, "the first message was not handled in {PATIENCE:?}");
            }
        }
    }
    let since = Instant::now();
    let times = loop {
        let times = handled().await?;
        if times.len() >= MESSAGES {
            break times;
        }
        ensure!(since.elapsed() < PATIENCE, "{} of {MESSAGES} messages handled in {PATIENCE:?}", times.len());
    };
    let figure = |name: &str, share: f64, goal: f64| Figure {
        name: name.into(),
        ours: times[((times.len() - 1) as f64 * share) as usize],
        unit: Unit::Milliseconds,
        peer: None,
        goal: Goal::AtMost(goal),
        how: format!(
            "{MESSAGES} messages one after another, from the call of send, commit included, to the handler"
        ),
    };
    Ok(Measured {
        figures: vec![
            figure("queue: send to handler, median", 0.5, START_GOAL),
            figure("queue: send to handler, p99", 0.99, SLOW_START_GOAL),
        ],
        left_out: Vec::new(),
    })
}
