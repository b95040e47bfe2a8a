//! The process's side: prepare, close the sandbox, then take the function and serve it.

mod calls;
mod journal;
mod live;
mod lookup;
mod requests;
mod resolver;

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use isobase_base::limits::PROCESS_MESSAGE_BYTES_MAX;
use isobase_base::observe::Observer;
use isobase_engine::Engine;
use isobase_http::{Network, Stance, Surroundings};
use tokio::sync::mpsc;

use crate::descriptors::{self, Purpose};
use crate::sandbox;
use crate::wire::{self, Setup};
use journal::ToHost;
use live::Life;
use resolver::HostResolver;

/// What the engine of a process is made with.
pub struct Room {
    /// Where it finds what it starts from. It can read nothing else.
    pub cache_dir: PathBuf,
    pub network: Network,
    pub observer: Observer,
}

/// Why a process gives up before it has a function. Its host reads it from the standard error.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the host does not speak to it: {0}")]
    Host(#[from] io::Error),
    #[error("the kernel does not close its sandbox: {0}")]
    Sandbox(#[source] io::Error),
    #[error("its engine does not start: {0}")]
    Engine(String),
}

/// The life of a process that a [`crate::ProcessEngine`] has started. `prepare` makes the engine, with an isolate
/// ready: it can open files until it returns. Must be called before the program has a second thread.
///
/// # Errors
/// When it cannot be prepared. Once it has a function it ends by itself.
pub fn serve(prepare: impl FnOnce(Room) -> Result<Arc<dyn Engine>, String>) -> Result<(), ServeError> {
    sandbox::begin(3).map_err(ServeError::Sandbox)?;
    let streams = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let control = expect(&streams, Purpose::Control)?;
    let inward = expect(&streams, Purpose::Inward)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let entered = runtime.enter();
    let [mut control, inward] =
        [tokio::net::UnixStream::from_std(control)?, tokio::net::UnixStream::from_std(inward)?];
    let setup = runtime.block_on(wire::receive::<Setup>(&mut control, PROCESS_MESSAGE_BYTES_MAX))?;
    let setup = setup.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    // The host may have ended before it could be noticed.
    if std::os::unix::process::parent_id() != setup.host {
        return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
    }
    sandbox::close_disk(&startup_files(&setup.cache_dir)?).map_err(ServeError::Sandbox)?;
    let (reports, to_send) = mpsc::unbounded_channel();
    let resolver = HostResolver::new(reports.clone());
    lookup::answer_with(Arc::clone(&resolver));
    let network = network(&setup).with_resolver(resolver.clone());
    runtime.block_on(calls::open(network.inward(), inward))?;
    let observer = Observer::default();
    observer.keep_journal(Arc::new(ToHost::new(reports.clone())));
    let room = Room { cache_dir: setup.cache_dir, network, observer: observer.clone() };
    let engine = prepare(room).map_err(ServeError::Engine)?;
    let listener = sandbox::close_kernel().map_err(ServeError::Sandbox)?;
    drop(entered);
    let life = Life { engine, observer, resolver, streams, reports };
    runtime.block_on(life.live(control, to_send, listener))?;
    // Not in order: V8's threads are at work.
    // SAFETY: ends the process; nothing in it needs to be told.
    unsafe { libc::_exit(0) }
}

fn expect(streams: &UnixStream, purpose: Purpose) -> io::Result<UnixStream> {
    let received: Option<(Purpose, OwnedFd)> = descriptors::receive(streams.as_fd())?;
    let (sent, descriptor) = received.ok_or(io::ErrorKind::UnexpectedEof)?;
    if sent != purpose {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let stream = UnixStream::from(descriptor);
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// V8's images and scripts, which the host has written.
fn startup_files(cache_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(cache_dir)?.collect::<Result<Vec<_>, _>>()?;
    let startup = entries.iter().filter(|entry| entry.file_name().to_string_lossy().starts_with("v8-"));
    Ok(startup.map(std::fs::DirEntry::path).filter(|path| path.is_file()).collect())
}

fn network(setup: &Setup) -> Network {
    let stance = if setup.is_production { Stance::Production } else { Stance::Development };
    let surroundings = Surroundings { gateway: setup.gateway, closed_ports: setup.closed_ports.clone() };
    Network::new(stance, surroundings)
}
