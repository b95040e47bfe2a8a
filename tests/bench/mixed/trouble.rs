//! What happens to the database meanwhile.

use std::time::{Duration, Instant};

use anyhow::bail;
use tokio_postgres::{Client, NoTls};

use super::Tally;
use crate::fixture::Workplace;

const PAUSE: Duration = Duration::from_millis(150);
/// One of the data API's, whatever it is doing.
const KILL: &str = "select count(pg_terminate_backend(pid))
    from (select pid from pg_stat_activity where usename like '%authenticator' order by random() limit 1) one";

/// Changes the schema and kills connections, in turns.
pub(super) async fn make(workplace: &Workplace, tally: &Tally, until: Instant) -> anyhow::Result<()> {
    let (client, connection) = tokio_postgres::connect(&workplace.host_database_url()?, NoTls).await?;
    tokio::select! {
        _ = connection => bail!("the connection to the database ended"),
        made = trouble(&client, tally, until) => made,
    }
}

async fn trouble(client: &Client, tally: &Tally, until: Instant) -> anyhow::Result<()> {
    for turn in 0_u64.. {
        if Instant::now() > until {
            break;
        }
        match turn % 4 {
            0 => client.batch_execute("create table public.mixed_more (id int primary key)").await?,
            1 => client.batch_execute("drop table public.mixed_more").await?,
            2 => client.batch_execute("notify pgrst, 'reload schema'").await?,
            _ => {
                client.batch_execute(KILL).await?;
                Tally::count(&tally.killed);
            }
        }
        if turn % 4 < 3 {
            Tally::count(&tally.changes);
        }
        tokio::time::sleep(PAUSE).await;
    }
    // The next run begins where this one did.
    client.batch_execute("drop table if exists public.mixed_more").await?;
    Ok(())
}
