//! One run of the server: started as a direct child, ready once it accepts a session, stopped by
//! signals. `pg_ctl` is not used: it forks, and then nobody would notice the server's end.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use isobase_base::limits::{POSTGRES_QUIT_TIMEOUT, POSTGRES_START_TIMEOUT, POSTGRES_STOP_TIMEOUT};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use super::account::Account;
use super::watchdog::Watchdog;
use super::{ClusterError, SUPERUSER, log_file, settings, url};
use crate::connect;

/// Between two attempts to connect to a server that is starting.
const POLL: Duration = Duration::from_millis(10);
/// Between two attempts to start where the last server's remains are still in the way.
const REMAINS_POLL: Duration = Duration::from_millis(100);
/// How often a free port is picked anew when another program was faster.
const PORT_ATTEMPTS_MAX: u32 = 5;

/// All that is needed to start the server, any number of times.
#[derive(Clone)]
pub(super) struct Launch {
    pub(super) postgres: PathBuf,
    pub(super) version: String,
    pub(super) account: Account,
    pub(super) home: PathBuf,
    pub(super) data: PathBuf,
    pub(super) socket_folder: PathBuf,
    pub(super) log: PathBuf,
    pub(super) port: u16,
    pub(super) superuser_password: String,
}

/// A server process. Dropping it tells the process to stop, by way of the watchdog.
pub(super) struct Server {
    child: Child,
    pid: Pid,
    watchdog: Option<Watchdog>,
    /// Where in the log this run begins.
    log_from: u64,
}

impl Launch {
    /// The start that a person waits for: settles the port first, and says what is wrong with it.
    pub(super) async fn start_first(&mut self, wanted_port: u16) -> Result<Server, ClusterError> {
        let mut attempts = 0;
        loop {
            self.port = free_port(wanted_port)?;
            attempts += 1;
            match self.start().await {
                Err(ClusterError::PortInUse { .. }) if wanted_port == 0 && attempts < PORT_ATTEMPTS_MAX => {}
                result => return result,
            }
        }
    }

    /// Starts the server and waits until it takes sessions.
    ///
    /// Processes of a server that was killed may outlive it for a moment and hold its shared
    /// memory; Postgres then refuses to start, and this tries again within the start's bound.
    pub(super) async fn start(&self) -> Result<Server, ClusterError> {
        let deadline = Instant::now() + POSTGRES_START_TIMEOUT;
        loop {
            let mut server = self.spawn()?;
            match self.until_ready(&mut server, deadline).await {
                Ok(()) => return Ok(server),
                Err(ClusterError::Exited { tail, .. }) if is_remains(&tail) && Instant::now() < deadline => {
                    server.disarm().await;
                    tokio::time::sleep(REMAINS_POLL).await;
                }
                Err(error) => {
                    server.stop().await;
                    return Err(error);
                }
            }
        }
    }

    fn spawn(&self) -> Result<Server, ClusterError> {
        let failed = |source| ClusterError::Spawn { program: self.postgres.clone(), source };
        let log_from = log_file::length(&self.log);
        let open_log = || log_file::open(&self.log).map_err(|source| ClusterError::file(&self.log, source));
        let mut config_file = std::ffi::OsString::from("config_file=");
        config_file.push(self.home.join(settings::FILE));
        let mut sockets = std::ffi::OsString::from("unix_socket_directories=");
        sockets.push(&self.socket_folder);
        let mut command = Command::new(&self.postgres);
        command
            .arg("-D")
            .arg(&self.data)
            .arg("-c")
            .arg(config_file)
            .arg("-c")
            .arg(sockets)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", &format!("port={}", self.port)])
            .stdin(Stdio::null())
            .stdout(open_log()?)
            .stderr(open_log()?)
            .current_dir(&self.home)
            .env("LC_MESSAGES", "C")
            .env_remove("PGDATA")
            .env_remove("PGPORT")
            // A terminal's Ctrl-C is for the host, which then stops the server in order.
            .process_group(0);
        if self.account.switch {
            command.uid(self.account.uid.as_raw()).gid(self.account.gid.as_raw());
        }
        let child = command.spawn().map_err(failed)?;
        let id = child.id().unwrap_or_default();
        let pid = Pid::from_raw(i32::try_from(id).unwrap_or(i32::MAX));
        let mut server = Server { child, pid, watchdog: None, log_from };
        match Watchdog::arm(id, &self.data, &self.account) {
            Ok(watchdog) => server.watchdog = Some(watchdog),
            Err(source) => {
                let _ = server.child.start_kill();
                return Err(ClusterError::Spawn { program: "/bin/sh".into(), source });
            }
        }
        Ok(server)
    }

    async fn until_ready(&self, server: &mut Server, deadline: Instant) -> Result<(), ClusterError> {
        let begun = Instant::now();
        let socket = self.socket_folder.display().to_string();
        let url = url(SUPERUSER, &self.superuser_password, &socket, self.port);
        loop {
            let refused = match connect::open(&url).await {
                Ok(_session) => return Ok(()),
                Err(error) => error,
            };
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(self.exited(status, server.log_from));
            }
            // 57P03: starting up or recovering. Without any code: the socket is not there yet.
            let (answer, log) = (refused.answer(), self.log.clone());
            if refused.code().is_some_and(|code| code != "57P03") {
                return Err(ClusterError::Refused { answer, log });
            }
            if Instant::now() > deadline {
                return Err(ClusterError::NotReady { waited: begun.elapsed(), answer, log });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn exited(&self, status: ExitStatus, log_from: u64) -> ClusterError {
        let tail = log_file::tail(&self.log, log_from);
        if tail.contains("Address already in use") || tail.contains("could not create any TCP/IP sockets") {
            return ClusterError::PortInUse { port: self.port };
        }
        ClusterError::Exited { status: status.to_string(), log: self.log.clone(), tail }
    }

    /// Why a run that was ready has ended: the status, and what the server said last.
    pub(super) fn epitaph(&self, status: ExitStatus, server: &Server) -> String {
        let tail = log_file::tail(&self.log, server.log_from);
        match tail.lines().rev().find(|line| line.contains("FATAL") || line.contains("PANIC")) {
            Some(line) => format!("{status}; {line}"),
            None => status.to_string(),
        }
    }
}

impl Server {
    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// Waits for the process to end by itself. Cancel-safe.
    pub(super) async fn wait(&mut self) -> ExitStatus {
        match self.child.wait().await {
            Ok(status) => status,
            // Waiting for a child of ours only fails if something else collected it.
            Err(error) => {
                tracing::warn!(%error, "postgres' exit status is lost");
                ExitStatus::default()
            }
        }
    }

    /// Stops the process: open transactions are rolled back and a checkpoint is written; if that
    /// takes too long, it quits at once; if even that fails, it is killed.
    pub(super) async fn stop(mut self) {
        let ladder = [(Signal::SIGINT, POSTGRES_STOP_TIMEOUT), (Signal::SIGQUIT, POSTGRES_QUIT_TIMEOUT)];
        for (signal, patience) in ladder {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            let _ = kill(self.pid, signal);
            if tokio::time::timeout(patience, self.child.wait()).await.is_ok() {
                break;
            }
            tracing::warn!(%signal, seconds = patience.as_secs(), "postgres did not stop in time");
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill().await;
        }
        self.disarm().await;
    }

    /// The process has ended: nobody needs to end it later.
    pub(super) async fn disarm(mut self) {
        if let Some(watchdog) = self.watchdog.take() {
            watchdog.disarm().await;
        }
    }
}

/// `wanted`, if nobody listens there, or any free port for 0.
fn free_port(wanted: u16) -> Result<u16, ClusterError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, wanted))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|_taken| ClusterError::PortInUse { port: wanted })
}

/// Whether a start failed because of what a killed server left for a moment.
fn is_remains(tail: &str) -> bool {
    ["pre-existing shared memory block", "lock file \"postmaster.pid\" already exists"]
        .iter()
        .any(|sign| tail.contains(sign))
}
