//! A running `isobase start`.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::process::Command;

use crate::fixture::{Workplace, free_ports};
use crate::http::Client;
use crate::report::progress;
use crate::running::Running;
use crate::token;

#[derive(Debug)]
pub(crate) struct Product {
    running: Running,
    pub(crate) port: u16,
    status: Value,
    /// From the start of the process until it said that everything is up.
    pub(crate) up_after: Duration,
}

impl Product {
    /// With a Postgres of its own.
    pub(crate) async fn start(binary: &Path, workplace: &Workplace) -> anyhow::Result<Self> {
        let [database_port] = free_ports()?;
        Self::start_with(binary, workplace, ["--db-port", &database_port.to_string()]).await
    }

    /// On a Postgres that is there already.
    pub(crate) async fn start_on(binary: &Path, workplace: &Workplace, url: &str) -> anyhow::Result<Self> {
        Self::start_with(binary, workplace, ["--db-url", url]).await
    }

    async fn start_with(binary: &Path, workplace: &Workplace, database: [&str; 2]) -> anyhow::Result<Self> {
        progress(&format!("starting isobase on {}", workplace.project().display()));
        let [port, admin_port] = free_ports()?;
        let since = Instant::now();
        let mut command = Command::new(binary);
        command.args(["start", "--log", "warn", "--log-format", "json"]);
        command.args(["--port", &port.to_string()]).args(database);
        command.args(["--admin-port", &admin_port.to_string(), "--workdir"]).arg(workplace.project());
        let mut running = Running::spawn("isobase", &mut command, &workplace.beside("isobase.log"))?;
        let id = running.id()?;
        let run_file = workplace.project().join(".isobase/run.json");
        let is_up = |_: &Running| {
            let state =
                std::fs::read(&run_file).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
            state.is_some_and(|state| state["pid"].as_i64() == Some(id.into()))
        };
        running.until(is_up).await?;
        let up_after = since.elapsed();
        let status = status(binary, workplace).await?;
        Ok(Self { running, port, status, up_after })
    }

    /// A name that `isobase status -o json` prints.
    pub(crate) fn value(&self, name: &str) -> anyhow::Result<&str> {
        self.status[name].as_str().with_context(|| format!("isobase status prints no {name}"))
    }

    pub(crate) fn token(&self, user: &str) -> anyhow::Result<String> {
        token::sign(self.value("JWT_SECRET")?, user)
    }

    pub(crate) fn client(&self, token: &str) -> Client {
        Client::new(self.port, Some(token))
    }

    pub(crate) fn process_id(&self) -> anyhow::Result<i32> {
        self.running.id()
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.running.stop().await
    }
}

async fn status(binary: &Path, workplace: &Workplace) -> anyhow::Result<Value> {
    let mut command = Command::new(binary);
    command.args(["status", "-o", "json", "--workdir"]).arg(workplace.project());
    let output = command.kill_on_drop(true).output().await.context("isobase did not start")?;
    if !output.status.success() {
        bail!("isobase status: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("isobase status printed no JSON")
}
