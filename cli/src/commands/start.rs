//! `isobase start`: brings everything up, says where it is, serves until told to stop.
#![allow(clippy::print_stdout, reason = "the banner is what the command prints")]

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use isobase_base::progress::Progress;
use isobase_base::project::state_folder;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::StartArguments;
use crate::assemble::Host;
use crate::run_state::RunState;
use crate::terminal::TerminalProgress;
use crate::{banner, logging};

pub(crate) fn run(arguments: StartArguments) -> anyhow::Result<()> {
    if arguments.detach {
        return detach(&arguments);
    }
    logging::install(&arguments.log, arguments.log_format)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("could not start the asynchronous runtime")?;
    runtime.block_on(serve(arguments))
}

async fn serve(arguments: StartArguments) -> anyhow::Result<()> {
    let began = Instant::now();
    let workdir = arguments.project.workdir.clone();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let progress = Arc::new(TerminalProgress::new());
    let host = tokio::select! {
        host = Host::start(arguments, progress.clone()) => host?,
        _ = interrupt.recv() => bail!("interrupted while starting"),
        _ = terminate.recv() => bail!("told to stop while starting"),
    };
    host.state().write(&workdir)?;
    progress.done();
    let table = host.readable_table().await;
    print!("{}", banner::ready(host.state(), &host.functions(), table.as_deref(), began.elapsed()));
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    progress.step("Stopping: requests in flight finish first");
    host.stop().await;
    RunState::remove(&workdir);
    progress.done();
    Ok(())
}

/// Starts the same command in the background and waits until it is up or has failed.
fn detach(arguments: &StartArguments) -> anyhow::Result<()> {
    let workdir = &arguments.project.workdir;
    if let Some(state) = RunState::of_running(workdir)? {
        bail!("this project runs already, as process {}; stop it with: isobase stop", state.pid);
    }
    let folder = state_folder(workdir);
    fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    let log_path = folder.join("isobase.log");
    let log =
        fs::File::create(&log_path).with_context(|| format!("could not write {}", log_path.display()))?;
    let program = std::env::current_exe().context("could not find this program's own file")?;
    let mut child = Command::new(program)
        .args(std::env::args_os().skip(1).filter(|argument| argument != "--detach" && argument != "-d"))
        .stdin(Stdio::null())
        .stdout(Stdio::from(log.try_clone()?))
        .stderr(Stdio::from(log))
        .process_group(0)
        .spawn()
        .context("could not start the background process")?;
    let progress = TerminalProgress::new();
    progress.step("Starting in the background");
    loop {
        if let Some(state) = RunState::of_running(workdir)?
            && u32::try_from(state.pid) == Ok(child.id())
        {
            progress.done();
            print!("{}", banner::addresses(&state));
            progress.note(&format!("log: {}", log_path.display()));
            return Ok(());
        }
        if let Some(exit) = child.try_wait()? {
            let text = fs::read_to_string(&log_path).unwrap_or_default();
            let tail: Vec<_> = text.lines().rev().take(20).collect();
            let tail: Vec<_> = tail.into_iter().rev().collect();
            bail!("the background process ended with {exit}; its last lines:\n{}", tail.join("\n"));
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
