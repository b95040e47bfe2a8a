//! Starting, watching and ending processes.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};

use isobase_base::limits::{PROCESS_ANSWER_BYTES_MAX, PROCESS_START_TIMEOUT};
use isobase_base::task::{self, TaskKind};
use isobase_base::{Failure, FailureKind};
use isobase_http::{Network, Stance};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{oneshot, watch};

use super::errors;
use crate::descriptors::{self, Purpose};
use crate::sandbox::{Unsupported, owned, succeeded};
use crate::wire::{self, Report, Setup};

/// The thread that starts processes: each ends when the thread that started it does, so that one of the
/// runtime's, which come and go, will not do.
#[derive(Clone)]
pub(super) struct Keeper(mpsc::Sender<oneshot::Sender<io::Result<Started>>>);

struct Started {
    child: Child,
    streams: UnixStream,
    errors: UnixStream,
}

impl Keeper {
    /// Of processes of `program` with `arguments`.
    pub(super) fn start(program: PathBuf, arguments: Vec<String>) -> io::Result<Self> {
        let (orders, inbox) = mpsc::channel::<oneshot::Sender<_>>();
        let keep = move || {
            while let Ok(reply) = inbox.recv() {
                // Whoever asked may be gone; then the process ends with its sockets.
                let _ = reply.send(spawn(&program, &arguments));
            }
        };
        std::thread::Builder::new().name("function-processes".to_owned()).spawn(keep)?;
        Ok(Self(orders))
    }

    async fn spawn(&self) -> io::Result<Started> {
        let (reply, started) = oneshot::channel();
        self.0.send(reply).map_err(|_| io::ErrorKind::BrokenPipe)?;
        started.await.map_err(|_| io::ErrorKind::BrokenPipe)?
    }
}

fn spawn(program: &Path, arguments: &[String]) -> io::Result<Started> {
    let (streams, theirs) = UnixStream::pair()?;
    let (errors, their_errors) = UnixStream::pair()?;
    let mut command = Command::new(program);
    // It needs nothing of what this process was told, and ends by its host rather than by Ctrl-C.
    command.args(arguments).env_clear().process_group(0);
    if let Some(zone) = time_zone() {
        command.env("TZ", zone);
    }
    command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(OwnedFd::from(their_errors));
    Ok(Started { child: command.spawn()?, streams, errors })
}

/// What the clocks of functions show. A process cannot read the file that says so.
fn time_zone() -> Option<String> {
    let named = std::env::var("TZ").ok().filter(|zone| !zone.is_empty());
    named.or_else(|| {
        let path = std::fs::read_link("/etc/localtime").ok()?;
        path.to_str()?.split_once("/zoneinfo/").map(|(_, zone)| zone.to_owned())
    })
}

/// A process of this host. Dropping it ends it, whatever it does.
pub(super) struct Process {
    id: u32,
    handle: OwnedFd,
    /// How it ended, once it has.
    ended: watch::Receiver<Option<Arc<str>>>,
    /// Whose process it is, for the log.
    name: Arc<OnceLock<String>>,
    _keeper: Keeper,
}

/// A process that waits for its function.
pub(super) struct Prepared {
    pub(super) process: Process,
    /// Where descriptors are sent.
    pub(super) streams: tokio::net::UnixStream,
    pub(super) control: tokio::net::UnixStream,
    pub(super) inward: tokio::net::UnixStream,
    /// Where the kernel tells of its calls of `connect`.
    pub(super) listener: OwnedFd,
}

impl Prepared {
    pub(super) async fn start(keeper: &Keeper, network: &Network, cache_dir: &Path) -> Result<Self, Failure> {
        let prepared = tokio::time::timeout(PROCESS_START_TIMEOUT, prepare(keeper, network, cache_dir));
        match prepared.await {
            Ok(Ok(prepared)) => Ok(prepared),
            Ok(Err(error)) => Err(not_started(&error.to_string())),
            Err(_) => Err(not_started(&format!("it was not ready after {PROCESS_START_TIMEOUT:?}"))),
        }
    }
}

fn not_started(why: &str) -> Failure {
    let text = format!("no process for the function could be started: {why}; the host's log may say more");
    Failure::new(FailureKind::Host, text)
}

async fn prepare(keeper: &Keeper, network: &Network, cache_dir: &Path) -> io::Result<Prepared> {
    let Started { child, streams, errors } = keeper.spawn().await?;
    let process = Process::watched(child, keeper.clone())?;
    errors::read(errors, Arc::clone(&process.name))?;
    let (control, theirs) = UnixStream::pair()?;
    let (inward, their_inward) = UnixStream::pair()?;
    descriptors::send(streams.as_fd(), Purpose::Control, theirs.as_fd())?;
    descriptors::send(streams.as_fd(), Purpose::Inward, their_inward.as_fd())?;
    drop((theirs, their_inward));
    [&streams, &control, &inward].iter().try_for_each(|socket| socket.set_nonblocking(true))?;
    let mut control = tokio::net::UnixStream::from_std(control)?;
    let setup = Setup {
        host: std::process::id(),
        cache_dir: cache_dir.to_owned(),
        is_production: network.stance() == Stance::Production,
        gateway: network.surroundings().gateway,
        closed_ports: network.surroundings().closed_ports.clone(),
    };
    wire::send(&mut control, &setup).await?;
    let ready = wire::receive(&mut control, PROCESS_ANSWER_BYTES_MAX).await?;
    let Some(Report::Ready { listener }) = ready else {
        return Err(process.died().await);
    };
    let listener = process
        .descriptor(listener)
        .map_err(|error| io::Error::new(error.kind(), Unsupported::Descriptors(error.to_string())))?;
    let [streams, inward] =
        [tokio::net::UnixStream::from_std(streams)?, tokio::net::UnixStream::from_std(inward)?];
    Ok(Prepared { process, streams, control, inward, listener })
}

impl Process {
    fn watched(mut child: Child, keeper: Keeper) -> io::Result<Self> {
        let id = child.id();
        // SAFETY: takes numbers. The child was not waited for, so its number is still its own.
        let handle = owned(unsafe { libc::syscall(libc::SYS_pidfd_open, id, 0 as libc::c_ulong) })?;
        // SAFETY: an owned descriptor stays open, and the same, for as long as it is registered.
        let exits = unsafe { AsyncFd::register_with_interest(handle.try_clone()?, Interest::READABLE) }?;
        let (tell, ended) = watch::channel(None);
        task::spawn(TaskKind::Request, "process of a function", async move {
            // Readable once it has ended. Where that cannot be known, waiting is all there is.
            let _ = exits.readable().await;
            let how = child.wait().map_or_else(|error| error.to_string(), described);
            let _ = tell.send(Some(how.into()));
        });
        Ok(Self { id, handle, ended, name: Arc::default(), _keeper: keeper })
    }

    pub(super) fn belongs_to(&self, function: &str) {
        let _ = self.name.set(function.to_owned());
    }

    /// How it ended, when it has.
    pub(super) async fn ended(&self) -> Arc<str> {
        let mut ended = self.ended.clone();
        let found = ended.wait_for(Option::is_some).await.ok().and_then(|how| how.clone());
        found.unwrap_or_else(|| "unseen".into())
    }

    /// Hears of its end even after the process itself is dropped.
    pub(super) fn end(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.ended.clone()
    }

    async fn died(&self) -> io::Error {
        io::Error::other(format!("it ended before it was ready, {}", self.ended().await))
    }

    pub(super) fn kill(&self) {
        // SAFETY: takes numbers and no signal details. One that has ended already is not found.
        let _ = unsafe {
            let (handle, nothing) = (self.handle.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
            libc::syscall(libc::SYS_pidfd_send_signal, handle, libc::SIGKILL, nothing, 0 as libc::c_ulong)
        };
    }

    /// A copy of a descriptor of the process.
    pub(super) fn descriptor(&self, number: i32) -> io::Result<OwnedFd> {
        copy_of(&self.handle, number)
    }

    pub(super) fn handle(&self) -> io::Result<OwnedFd> {
        self.handle.try_clone()
    }

    /// Bounds what it may write to: its heap, buffers, stacks.
    pub(super) fn bound_memory(&self, bytes: u64) -> io::Result<()> {
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
        let id = libc::pid_t::try_from(self.id).map_err(io::Error::other)?;
        // SAFETY: `limit` is alive, and the kernel only reads it; the old limit is not asked for.
        let bounded = unsafe { libc::prlimit(id, libc::RLIMIT_DATA, &raw const limit, std::ptr::null_mut()) };
        succeeded(bounded.into())
    }

    /// Memory that nobody else shares.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.id)).ok()?;
        let mut pages = text.split(' ').skip(1).map(|field| field.parse::<u64>().ok());
        let (resident, shared) = (pages.next()??, pages.next()??);
        Some(resident.saturating_sub(shared) * page_bytes())
    }
}

/// A copy of descriptor `number` of the process behind `handle`.
pub(super) fn copy_of(handle: &OwnedFd, number: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes numbers.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, handle.as_raw_fd(), number, 0 as libc::c_ulong) })
}

fn page_bytes() -> u64 {
    static BYTES: OnceLock<u64> = OnceLock::new();
    // SAFETY: takes a number.
    *BYTES.get_or_init(|| u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096))
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn described(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("by signal {signal}"),
        (None, code) => format!("with status {}", code.unwrap_or_default()),
    }
}
