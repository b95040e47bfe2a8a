//! How soon a change of a large schema is served: from the end of the statement that made a table until
//! a request finds it.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio_postgres::{Client, NoTls};

use crate::load::median;
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};
use crate::token;

/// As many as in the schema that PostgREST's own tests load, where they allow 100 to 500 ms.
const RELATIONS: usize = 326;
const CHANGES: usize = 10;
/// Milliseconds.
const GOAL: f64 = 100.0;
/// A table that is not served by then never will be.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn measure(product: &Product) -> anyhow::Result<Measured> {
    progress(&format!("changes of a schema of {RELATIONS} relations"));
    let (client, connection) = tokio_postgres::connect(product.value("DB_URL")?, NoTls).await?;
    tokio::select! {
        _ = connection => bail!("the connection to the database ended"),
        figure = figure(product, &client) => Ok(Measured { figures: vec![figure?], left_out: Vec::new() }),
    }
}

async fn figure(product: &Product, client: &Client) -> anyhow::Result<Figure> {
    let table = |number| {
        format!(
            "create table large_{number} (id int primary key, before int references large_{}, a int not null \
             default 0, b text, c timestamptz default now(), d jsonb, e numeric, f date, g uuid, h text[]);",
            usize::max(number, 1) - 1
        )
    };
    let tables: String = (0..RELATIONS).map(table).collect();
    client.batch_execute(&tables).await.context("the tables could not be made")?;
    served(product, "large_0").await?;
    let mut times = Vec::with_capacity(CHANGES);
    for number in 0..CHANGES {
        let name = format!("changed_{number}");
        client.batch_execute(&format!("create table {name} (id int primary key)")).await?;
        let since = Instant::now();
        served(product, &name).await?;
        times.push(since.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(Figure {
        name: format!("REST: a new table among {RELATIONS}"),
        ours: median(times),
        unit: Unit::Milliseconds,
        peer: None,
        goal: Goal::AtMost(GOAL),
        how: format!("from `create table` until a request finds it; median of {CHANGES}"),
    })
}

/// Asks until the table is known; what its privileges then say does not matter.
async fn served(product: &Product, table: &str) -> anyhow::Result<()> {
    let client = product.client(&product.token(token::USER)?);
    let path = format!("/rest/v1/{table}?limit=0");
    let since = Instant::now();
    while client.get(&path).await?.body.contains("PGRST205") {
        if since.elapsed() > PATIENCE {
            bail!("{table} was not served within {PATIENCE:?}");
        }
    }
    Ok(())
}
