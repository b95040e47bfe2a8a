//! The side that asks.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use isobase_base::limits::{COMPILER_REST, COMPILER_TIMEOUT};
use isobase_base::task::{self, TaskKind};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;

use super::{Job, wire};
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
    pub(super) fn ask<T: DeserializeOwned>(self: &Arc<Self>, job: &Job) -> Result<T, SourceFault> {
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
        self.ask_one(process, &encoded).unwrap_or_else(|end| Err(gave_up(&job.shown, end)))
    }

    fn ask_one<T: DeserializeOwned>(
        self: &Arc<Self>,
        process: Process,
        encoded: &[u8],
    ) -> Result<Result<T, SourceFault>, End> {
        let answered = wire::send(&process.socket, encoded).and_then(|()| {
            let made = wire::receive(&process.socket)?;
            made.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        });
        match answered {
            Ok(made) => {
                self.idle.lock().push((Instant::now(), process));
                self.watch();
                Ok(made)
            }
            Err(error) => Err(process.end(&error)),
        }
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
                let (rested, are_more) = processes.take_rested();
                // Whose end is waited for, here, where nobody waits for the list.
                let ended = tokio::task::spawn_blocking(move || drop(rested)).await;
                if ended.is_err() || !are_more {
                    return;
                }
            }
        });
    }

    /// Those that are idle for long, and whether there are others. When there are none, nobody watches.
    fn take_rested(&self) -> (Vec<(Instant, Process)>, bool) {
        let mut idle = self.idle.lock();
        let rested = idle.extract_if(.., |(since, _)| since.elapsed() >= COMPILER_REST).collect();
        if idle.is_empty() {
            self.is_watched.store(false, Ordering::Release);
        }
        (rested, !idle.is_empty())
    }
}

/// How a compiler ended before it answered.
enum End {
    /// It took longer than it may.
    Late,
    /// It overflowed its stack: the kernel or the standard library ended it for that.
    Overflow,
    /// Somebody ended it: the kernel, when memory is scarce, or a person.
    Killed,
    Other(String),
}

impl Process {
    /// Why it did not answer but broke off with `error`.
    fn end(mut self, error: &io::Error) -> End {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return End::Late,
            // It has closed its socket, which it does by ending.
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {}
            _ => return End::Other(error.to_string()),
        }
        match self.child.wait().map(|status| (status.signal(), status)) {
            Ok((Some(libc::SIGSEGV | libc::SIGABRT | libc::SIGBUS), _)) => End::Overflow,
            Ok((Some(libc::SIGKILL), _)) => End::Killed,
            Ok((_, status)) => End::Other(format!("{error} ({status})")),
            Err(unknown) => End::Other(format!("{error} ({unknown})")),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gave_up(shown: &str, end: End) -> SourceFault {
    match end {
        End::Late => {
            let seconds = COMPILER_TIMEOUT.as_secs();
            SourceFault::new(format!("{shown}: it could not be compiled within {seconds} seconds"))
                .hint("something in it takes the parser very long; break it up")
        }
        End::Overflow => SourceFault::new(format!("{shown}: it is nested too deep to be compiled"))
            .hint("something in it is nested thousands of levels deep; break it up"),
        End::Killed => {
            let fault = SourceFault::new(format!("{shown}: the compiler was killed while it read this file"))
                .hint("the machine may be out of memory; try again");
            SourceFault { may_pass: true, ..fault }
        }
        End::Other(how) => {
            let fault = SourceFault::new(format!("{shown}: the compiler ended before it answered: {how}"));
            SourceFault { may_pass: true, ..fault }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use deno_ast::MediaType;

    use super::Processes;
    use crate::compiler::{Job, Task};
    use crate::compiler_options::CompilerOptions;
    use crate::transpile::{Script, Source};

    /// What is said of a text whose compiler does this.
    fn check(script: &str, said: &str, may_pass: bool) {
        let program = vec!["-c".to_owned(), script.to_owned()];
        let processes = Arc::new(Processes::new("/bin/sh".into(), program));
        let source = Source {
            path: Path::new("a.ts"),
            media_type: MediaType::TypeScript,
            specifier: "file:///a.ts",
            shown: "a.ts",
            text: "1".into(),
        };
        let job = Job::new(&source, Task::Own(CompilerOptions::default()));
        let fault = processes.ask::<Script>(&job).err().expect("there is no compiler");
        assert!(fault.message.contains(said), "{script}: {}", fault.message);
        assert_eq!(fault.may_pass, may_pass, "{script}");
    }

    #[test]
    fn the_ways_a_compiler_ends_are_told_apart() {
        check("kill -SEGV $$", "nested too deep", false);
        check("kill -ABRT $$", "nested too deep", false);
        check("kill -KILL $$", "was killed", true);
        check("exit 3", "exit status: 3", true);
    }
}
