//! A process that ends with its guard, whatever the reason.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use crate::http::Client;

/// A server that is not up after this has a problem that waiting does not solve.
const START_TIMEOUT: Duration = Duration::from_secs(180);
/// For an orderly end, Postgres included; then the process is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub(crate) struct Running {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts `command` with both outputs in `log`.
    pub(crate) fn spawn(name: &'static str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let file = File::create(log).with_context(|| format!("could not write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("{name} did not start"))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    pub(crate) fn id(&self) -> anyhow::Result<i32> {
        let id =
            self.child.id().with_context(|| format!("{} has ended:\n{}", self.name, self.last_words()))?;
        Ok(i32::try_from(id)?)
    }

    /// Waits until `path` answers 200.
    pub(crate) async fn answers(&mut self, client: &Client, path: &str) -> anyhow::Result<()> {
        let since = Instant::now();
        while !client.get(path).await.is_ok_and(|answer| answer.is_ok()) {
            self.is_still_starting(since)?;
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Waits until the condition holds.
    pub(crate) async fn until(&mut self, mut condition: impl FnMut(&Self) -> bool) -> anyhow::Result<()> {
        let since = Instant::now();
        while !condition(self) {
            self.is_still_starting(since)?;
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Asks for an orderly end and waits for it.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.id()?), Signal::SIGTERM)?;
        let ended = tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await;
        ended.with_context(|| format!("{} did not stop within {STOP_TIMEOUT:?}", self.name))??;
        Ok(())
    }

    fn is_still_starting(&mut self, since: Instant) -> anyhow::Result<()> {
        if let Some(exit) = self.child.try_wait()? {
            bail!("{} ended with {exit}:\n{}", self.name, self.last_words());
        }
        if since.elapsed() > START_TIMEOUT {
            bail!("{} was not up after {START_TIMEOUT:?}:\n{}", self.name, self.last_words());
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Running {
    /// What supervises processes of its own (isobase its Postgres) gets the time to end them.
    fn drop(&mut self) {
        let Ok(None) = self.child.try_wait() else { return };
        let Ok(id) = self.id() else { return };
        _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        let since = Instant::now();
        while since.elapsed() < STOP_TIMEOUT && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}
