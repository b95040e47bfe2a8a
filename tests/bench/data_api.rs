//! One row by primary key, as a signed-in user, with the table's policy in force.
//!
//! The yardstick is pgbench with the four statements that such a request needs (`four.sql`), on the
//! same table of the same Postgres with as many connections: what a data API could reach if it cost
//! nothing itself and did not know more about Postgres than to send statements.

use anyhow::{Context, bail};
use tokio::process::Command;

use crate::fixture::{Workplace, source};
use crate::http::Client;
use crate::load::{Contender, Load, Pgbench, Wrk, alternate, is_installed};
use crate::options::Options;
use crate::peers::{self, Peer};
use crate::product::Product;
use crate::report::{Figure, Goal, Measured, Unit, progress};
use crate::token;

const CONNECTIONS: u32 = 16;
/// PostgREST reaches 0.74 of the yardstick on two cores.
const YARDSTICK_GOAL: f64 = 1.2;
const LITE_GOAL: f64 = 10.0;

pub(crate) async fn measure(
    product: &Product,
    workplace: &Workplace,
    options: &Options,
) -> anyhow::Result<Measured> {
    progress("one row through the data API");
    let mut measured = Measured::default();
    if !is_installed("wrk") || !is_installed("pgbench") {
        measured.left_out.push("data-api: needs wrk and pgbench; ./setup.sh bench installs them".into());
        return Ok(measured);
    }
    let token = product.token(token::USER)?;
    check("isobase", &product.client(&token), &product.client(&product.token(token::STRANGER)?)).await?;

    let url = product.value("DB_URL")?;
    let mut contenders = vec![
        Contender { name: "isobase", load: Load::Wrk(rows(product.port, &token)) },
        Contender { name: "pgbench -M extended", load: yardstick(url, "extended") },
        Contender { name: "pgbench -M prepared", load: yardstick(url, "prepared") },
    ];
    // Held until the runs are over.
    let lite = lite(product, workplace, &token).await;
    match &lite {
        Ok(Ok(peer)) => {
            contenders.push(Contender { name: "@supabase/lite", load: Load::Wrk(rows(peer.port, &token)) })
        }
        Ok(Err(missing)) => measured.left_out.push(missing.clone()),
        Err(error) => measured.left_out.push(format!("@supabase/lite: {error:#}")),
    }
    let speeds = alternate(&contenders, options).await?;
    for (contender, speed) in contenders.iter().zip(&speeds).skip(1) {
        let goal = match contender.name {
            "pgbench -M extended" => Goal::Ratio(YARDSTICK_GOAL),
            "@supabase/lite" => Goal::Ratio(LITE_GOAL),
            _ => Goal::Information,
        };
        let load = match contender.load {
            Load::Wrk(_) => format!("wrk -t1 -c{CONNECTIONS} on both, own database in the same Postgres"),
            Load::Pgbench(_) => {
                format!("wrk -t1 -c{CONNECTIONS} against -c{CONNECTIONS} -j2 with the same four statements")
            }
            Load::PlainFiles(_) => "plain files".into(),
        };
        measured.figures.push(Figure {
            name: "REST: row by key, RLS, JWT".into(),
            ours: speeds[0],
            unit: Unit::RequestsPerSecond,
            peer: Some((contender.name, *speed)),
            goal,
            how: load,
        });
    }
    Ok(measured)
}

fn rows(port: u16, token: &str) -> Wrk {
    Wrk {
        port,
        path: "/rest/v1/items".into(),
        connections: CONNECTIONS,
        token: Some(token.into()),
        script: Some(source("item.lua")),
        variables: Vec::new(),
    }
}

fn yardstick(url: &str, protocol: &'static str) -> Load {
    Load::Pgbench(Pgbench {
        url: url.into(),
        scripts: vec![source("four.sql")],
        protocol,
        connections: CONNECTIONS,
    })
}

/// The owner reads the row and nobody else does.
async fn check(who: &str, owner: &Client, stranger: &Client) -> anyhow::Result<()> {
    owner.expect(who, "/rest/v1/items?id=eq.4711", |body| body.contains("Item 4711")).await?;
    stranger.expect(who, "/rest/v1/items?id=eq.4711", |body| body == "[]").await
}

/// The same table with the same policy, in a database of its own: the peer makes schemas of its own.
async fn lite(product: &Product, workplace: &Workplace, token: &str) -> anyhow::Result<Result<Peer, String>> {
    let url = product.value("DB_URL")?;
    let (server, _) = url.rsplit_once('/').context("DB_URL names no database")?;
    let own = format!("{server}/lite");
    psql(url, &["-c", "create database lite"]).await?;
    let table = source("project/supabase/migrations/20260101000000_items.sql");
    psql(&own, &["-f", &table.to_string_lossy()]).await?;
    let secret = product.value("JWT_SECRET")?;
    let peer = peers::lite(workplace, &own, secret).await?;
    if let Ok(peer) = &peer {
        let stranger = token::sign(secret, token::STRANGER)?;
        check(
            "@supabase/lite",
            &Client::new(peer.port, Some(token)),
            &Client::new(peer.port, Some(&stranger)),
        )
        .await?;
    }
    Ok(peer)
}

async fn psql(url: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("psql");
    command.args(["-q", "-X", "-v", "ON_ERROR_STOP=1"]).args(arguments).arg(url).kill_on_drop(true);
    let output = command.output().await.context("psql did not start")?;
    if !output.status.success() {
        bail!("psql: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
