//! `isobase stop`: asks the running process to drain and waits until it has gone.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use isobase_base::limits::DRAIN_TIMEOUT;
use isobase_base::progress::Progress;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::args::ProjectArguments;
use crate::run_state::RunState;
use crate::terminal::TerminalProgress;

/// Draining is bounded; Postgres then flushes and stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(DRAIN_TIMEOUT.as_secs() + 30);

pub(crate) fn run(arguments: &ProjectArguments) -> anyhow::Result<()> {
    let progress = TerminalProgress::new();
    let Some(state) = RunState::of_running(&arguments.workdir)? else {
        progress.note(&format!("nothing runs in {}", arguments.workdir.display()));
        return Ok(());
    };
    progress.step("Stopping");
    kill(Pid::from_raw(state.pid), Signal::SIGTERM)
        .with_context(|| format!("could not signal process {}", state.pid))?;
    let since = Instant::now();
    while state.is_alive() {
        if since.elapsed() > STOP_TIMEOUT {
            bail!("process {} did not stop within {} s; its log says why", state.pid, STOP_TIMEOUT.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    progress.done();
    Ok(())
}
