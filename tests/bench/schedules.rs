//! A thousand SQL jobs that are due each second: how late they begin. Where all are due in one instant, the
//! last of them waits for Postgres to have run the others; that figure tells of the machine. Each job writes down the difference
//! between the server's clock and its due time itself, so the wait for a session counts as well.

use std::time::Duration;

use anyhow::{Context, bail};
use tokio_postgres::{Client, NoTls};

use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};

const JOBS: i32 = 1_000;
/// Seconds measured, after as many to settle.
const SECONDS: i32 = 10;
/// Milliseconds at the 99th percentile.
const GOAL: f64 = 50.0;

pub(crate) async fn measure(product: &Product) -> anyhow::Result<Measured> {
    let (client, connection) = tokio_postgres::connect(product.value("DB_URL")?, NoTls).await?;
    tokio::select! {
        _ = connection => bail!("the connection to the database ended"),
        measured = figures(&client) => measured,
    }
}

async fn figures(client: &Client) -> anyhow::Result<Measured> {
    client
        .batch_execute("create unlogged table lateness (job text, millis float8, at timestamptz default clock_timestamp())")
        .await?;
    let interval = late(client, "1 second").await?;
    let instant = late(client, "* * * * * *").await?;
    let figure = |name: &str, ours, goal, how: &str| Figure {
        name: name.into(),
        ours,
        unit: Unit::Milliseconds,
        peer: None,
        goal,
        how: format!("{how}; {JOBS} SQL jobs, {SECONDS} s, from the due time until the job's SQL runs"),
    };
    let spread = "every second, each job from its own moment on";
    let together = "six fields, all in the same instant";
    Ok(Measured {
        figures: vec![
            figure("schedule late, interval, p50", interval.0, Goal::Information, spread),
            figure("schedule late, interval, p99", interval.1, Goal::AtMost(GOAL), spread),
            figure("schedule late, same instant, p50", instant.0, Goal::Information, together),
            figure("schedule late, same instant, p99", instant.1, Goal::Information, together),
        ],
        left_out: Vec::new(),
    })
}

/// Milliseconds at the median and the 99th percentile.
async fn late(client: &Client, times: &str) -> anyhow::Result<(f64, f64)> {
    progress(&format!("{JOBS} jobs: {times}"));
    client
        .batch_execute(&format!(
            "truncate lateness; select cron.schedule('late' || n, '{times}', \
               'insert into lateness select current_setting(''isobase.idempotency_key''), extract(epoch from \
                clock_timestamp() - current_setting(''isobase.scheduled_at'')::timestamptz) * 1000') \
             from generate_series(1, {JOBS}) as n"
        ))
        .await?;
    tokio::time::sleep(Duration::from_secs(2 * SECONDS.unsigned_abs() as u64)).await;
    let row = client
        .query_one(
            "select percentile_cont(0.5) within group (order by millis), \
               percentile_cont(0.99) within group (order by millis), count(*), count(distinct job) \
             from lateness where at > (select max(at) from lateness) - make_interval(secs => $1)",
            &[&f64::from(SECONDS)],
        )
        .await?;
    client.batch_execute("select cron.unschedule(jobid) from cron.job").await?;
    let (runs, distinct): (i64, i64) = (row.get(2), row.get(3));
    let expected = i64::from(JOBS) * i64::from(SECONDS);
    if runs != distinct || runs < expected * 95 / 100 {
        bail!("{runs} runs of {distinct} due times, where {expected} were due");
    }
    let median: Option<f64> = row.get(0);
    Ok((median.context("no job ran")?, row.get(1)))
}
