//! The side that asks.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use isobase_base::limits::{COMPILER_REST, COMPILER_TIMEOUT};
use isobase_base::task::{self, TaskKind};
use parking_lot::Mutex;

use super::{Job, Made, wire};
use crate::fault::SourceFault;

/// As many as are asked at once, and those that had nothing to do for a moment.
#[derive(Debug)]
pub(super) struct Processes {
    program: PathBuf,
    arguments: Vec<String>,
    idle: Mutex<Vec<(Instant, Process)>>,
    /// Whether somebody watches over `idle`.
    is_watched: AtomicBool,
}

#[derive(Debug)]
struct Process {
    child: Child,
    socket: UnixStream,
}

impl Processes {
    pub(super) fn new(program: PathBuf, arguments: Vec<String>) -> Self {
        Self { program, arguments, idle: Mutex::default(), is_watched: AtomicBool::new(false) }
    }

    /// Blocks until the text is compiled.
    pub(super) fn ask(self: &Arc<Self>, job: &Job) -> Result<Made, SourceFault> {
        let unsent = |error: io::Error| SourceFault::new(format!("{}: {error}", job.shown));
        let encoded = wire::encode(job).map_err(unsent)?;
        // One that was idle may have ended for reasons of its own: that says nothing of this text.
        let used = self.idle.lock().pop();
        if let Some((_, process)) = used
            && let Ok(made) = self.ask_one(process, &encoded)
        {
            return made;
        }
        let process = self.start().map_err(|error| {
            let message = format!("the compiler {} does not start: {error}", self.program.display());
            SourceFault { may_pass: true, ..SourceFault::new(message) }
        })?;
        self.ask_one(process, &encoded).unwrap_or_else(|error| Err(gave_up(&job.shown, &error)))
    }

    fn ask_one(self: &Arc<Self>, process: Process, encoded: &[u8]) -> io::Result<Result<Made, SourceFault>> {
        wire::send(&process.socket, encoded)?;
        let made = wire::receive(&process.socket)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.idle.lock().push((Instant::now(), process));
        self.watch();
        Ok(made)
    }

    fn start(&self) -> io::Result<Process> {
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_read_timeout(Some(COMPILER_TIMEOUT))?;
        socket.set_write_timeout(Some(COMPILER_TIMEOUT))?;
        let mut command = Command::new(&self.program);
        // It needs nothing of what this process was told, and ends with its socket rather than by Ctrl-C.
        command.args(&self.arguments).env_clear().process_group(0);
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Process { child: command.spawn()?, socket })
    }

    /// Ends what is idle for long. Outside of a runtime nobody does, until the host ends.
    fn watch(self: &Arc<Self>) {
        if tokio::runtime::Handle::try_current().is_err() || self.is_watched.swap(true, Ordering::AcqRel) {
            return;
        }
        let processes = Arc::downgrade(self);
        task::spawn(TaskKind::Request, "compilers at rest", async move {
            loop {
                tokio::time::sleep(COMPILER_REST).await;
                let Some(processes) = processes.upgrade() else { return };
                let mut idle = processes.idle.lock();
                idle.retain(|(since, _)| since.elapsed() < COMPILER_REST);
                if idle.is_empty() {
                    processes.is_watched.store(false, Ordering::Release);
                    return;
                }
            }
        });
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gave_up(shown: &str, error: &io::Error) -> SourceFault {
    let is_late = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
    if is_late {
        let seconds = COMPILER_TIMEOUT.as_secs();
        return SourceFault::new(format!("{shown}: it could not be compiled within {seconds} seconds"))
            .hint("something in it takes the parser very long; break it up");
    }
    SourceFault::new(format!("{shown}: it is nested too deep to be compiled"))
        .hint("something in it is nested thousands of levels deep; break it up")
}
