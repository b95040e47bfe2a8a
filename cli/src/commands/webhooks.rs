//! `isobase webhooks`: what is in the inbox of the running project.
#![allow(clippy::print_stdout, reason = "printing is what the command does")]

use std::path::Path;

use anyhow::{Context, bail};
use isobase_base::task::{self, TaskKind};
use tokio_postgres::{Client, NoTls};

use crate::args::{ListWebhooksArguments, WebhookArguments};
use crate::run_state::RunState;

const LIST: &str = "select id::text, function, coalesce(event_id, '-'), state, attempts, \
      to_char(received_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
    from isobase.webhook_inbox \
    where ($1::text is null or function = $1) and ($2::text is null or state = $2) \
    order by received_at desc limit $3";
const SHOW: &str = "select function, coalesce(event_id, '-'), state, target, headers::text, body, \
      to_char(received_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
    from isobase.webhook_inbox where id::text = $1";
const ATTEMPTS: &str = "select number, \
      to_char(began_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), status, \
      coalesce(error, case when ended_at is null then 'not ended' else 'delivered' end) \
    from isobase.webhook_attempts where webhook::text = $1 order by number";
const REPLAY: &str = "select isobase.replay_webhook(id) from isobase.webhook_inbox where id::text = $1";

pub(crate) fn list(arguments: &ListWebhooksArguments) -> anyhow::Result<()> {
    run(&arguments.project.workdir, async |client| {
        let limit = i64::from(arguments.limit);
        for row in client.query(LIST, &[&arguments.function, &arguments.state, &limit]).await? {
            let cell = |index: usize| row.get::<_, String>(index);
            let attempts: i32 = row.get(4);
            println!("{}  {}  {:<10}  {attempts:>3}  {}  {}", cell(0), cell(5), cell(3), cell(1), cell(2));
        }
        Ok(())
    })
}

pub(crate) fn show(arguments: &WebhookArguments) -> anyhow::Result<()> {
    run(&arguments.project.workdir, async |client| {
        let Some(row) = client.query_opt(SHOW, &[&arguments.id]).await? else {
            return Err(unknown(&arguments.id));
        };
        let cell = |index: usize| row.get::<_, String>(index);
        println!("function  {}\nevent     {}\nstate     {}", cell(0), cell(1), cell(2));
        println!("received  {}\ntarget    {}", cell(6), cell(3));
        for row in client.query(ATTEMPTS, &[&arguments.id]).await? {
            let (number, began, status): (i32, String, Option<i32>) = (row.get(0), row.get(1), row.get(2));
            let status = status.map_or("-".into(), |status| status.to_string());
            println!("attempt   {number}  {began}  {status}  {}", row.get::<_, String>(3));
        }
        let headers: Vec<(String, String)> = serde_json::from_str(&cell(4))?;
        println!();
        for (name, value) in headers {
            println!("{name}: {value}");
        }
        println!("\n{}", String::from_utf8_lossy(row.get(5)));
        Ok(())
    })
}

pub(crate) fn replay(arguments: &WebhookArguments) -> anyhow::Result<()> {
    run(&arguments.project.workdir, async |client| {
        let Some(row) = client.query_opt(REPLAY, &[&arguments.id]).await? else {
            return Err(unknown(&arguments.id));
        };
        if !row.get::<_, bool>(0) {
            bail!("webhook {} is being delivered right now", arguments.id);
        }
        println!("{} will be delivered once more", arguments.id);
        Ok(())
    })
}

fn unknown(id: &str) -> anyhow::Error {
    anyhow::anyhow!("there is no webhook {id}; `isobase webhooks list` shows those there are")
}

/// Runs `work` with a session of the running project's database.
fn run(workdir: &Path, work: impl AsyncFnOnce(&Client) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let Some(state) = RunState::of_running(workdir)? else {
        bail!("nothing runs in {}; start it with: isobase start --workdir {0}", workdir.display());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(&state.db_url, NoTls).await.context("the database cannot be reached")?;
        task::spawn(TaskKind::Request, "database session", async move {
            _ = connection.await;
        });
        work(&client).await
    })
}
