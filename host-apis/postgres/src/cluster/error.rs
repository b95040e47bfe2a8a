//! What can keep the managed cluster from running, told so that a person can mend it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::BinariesError;

/// Why the managed cluster could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error(transparent)]
    Binaries(#[from] BinariesError),
    /// Another host runs on the same project directory.
    #[error(
        "isobase already runs on this directory{}; stop it with `isobase stop`, or start elsewhere with `--workdir`",
        pid.map(|pid| format!(" as process {pid}")).unwrap_or_default()
    )]
    AlreadyRunning { pid: Option<u32> },
    /// The TCP port belongs to someone else.
    #[error(
        "port {port} on 127.0.0.1 is already in use; stop the program that listens there, \
         or choose another port with `[db] port` in supabase/config.toml"
    )]
    PortInUse { port: u16 },
    /// Root started the host and there is nobody to run the server as.
    #[error(
        "Postgres does not run as root and the user {name:?} does not exist; \
         create one (`useradd --system postgres`), or name another with `--postgres-user`"
    )]
    NoUser { name: String },
    /// A user was named that this process may not become.
    #[error(
        "only root can run Postgres as another user; leave `--postgres-user {name}` away, or start as root"
    )]
    NotRoot { name: String },
    /// The data folder belongs to another user than the server will run as.
    #[error(
        "{folder} belongs to user id {owner}, but Postgres would run as {user}; \
         run isobase as its owner, or give it over: chown -R {user} {folder}",
        folder = folder.display()
    )]
    WrongOwner { folder: PathBuf, owner: u32, user: String },
    /// The server's user cannot get to the data.
    #[error(
        "user {user} cannot enter {blocked}, so Postgres cannot reach its data in {folder}; \
         allow it (`chmod o+x {blocked}`) or move the project",
        blocked = blocked.display(), folder = folder.display()
    )]
    Unreachable { user: String, blocked: PathBuf, folder: PathBuf },
    /// The data was made by another major version.
    #[error(
        "{folder} was created by Postgres {data}, but the Postgres found is version {server}; \
         name the right one with `--postgres-bin`, or dump the data with version {data} and start afresh",
        folder = folder.display()
    )]
    Version { folder: PathBuf, data: String, server: u32 },
    /// The passwords file is gone or damaged while the cluster exists.
    #[error(
        "{file} cannot be used: {why}. It holds the passwords of the cluster beside it; restore it, \
         or delete the whole .isobase folder to start with an empty database",
        file = file.display()
    )]
    Passwords { file: PathBuf, why: &'static str },
    #[error("initdb failed:\n{output}")]
    Initdb { output: String },
    /// A server left behind by an earlier host does not stop.
    #[error("process {pid} still serves {data} and does not stop; end it by hand", data = data.display())]
    OrphanStays { pid: i32, data: PathBuf },
    /// The server ended while starting.
    #[error("Postgres stopped while starting ({status}); the end of {log}:\n{tail}", log = log.display())]
    Exited { status: String, log: PathBuf, tail: String },
    /// The server runs, but takes no sessions yet.
    #[error(
        "Postgres took no session within {} seconds (last answer: {answer}); see {log}",
        waited.as_secs(), log = log.display()
    )]
    NotReady { waited: Duration, answer: String, log: PathBuf },
    /// The server runs, but refuses the host's session: as with passwords of another cluster.
    #[error("Postgres runs, but refuses the session of isobase: {answer}; see {log}", log = log.display())]
    Refused { answer: String, log: PathBuf },
    #[error("cannot use {path}", path = path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("cannot run {program}", program = program.display())]
    Spawn { program: PathBuf, source: io::Error },
}

impl ClusterError {
    pub(super) fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}
