//! Ends the server when the host dies without a chance to do so (`kill -9`, out of memory).
//!
//! A shell waits on a pipe whose other end only the host holds. The kernel closes it with the host,
//! `read` returns, and the shell tells the server to shut down fast. It first checks that the pid
//! still is this cluster's postmaster. This is the portable form of Linux' parent-death signal,
//! which watches the thread that made the child instead of the process, and is lost when the child
//! changes its user.

use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::account::Account;

/// `$1` is the postmaster's pid, `$2` its pid file. A missing file is one not written yet.
const SCRIPT: &str = r#"read -r _
if read -r first < "$2"; then [ "$first" = "$1" ] || exit 0; fi
kill -INT "$1""#;

/// Armed until [`Watchdog::disarm`]; dropping it ends the server.
pub(super) struct Watchdog {
    shell: Child,
}

impl Watchdog {
    pub(super) fn arm(server: u32, data: &Path, account: &Account) -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg(SCRIPT)
            .arg("isobase-watchdog")
            .arg(server.to_string())
            .arg(data.join("postmaster.pid"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            // Ctrl-C at the terminal must not reach it.
            .process_group(0);
        if account.switch {
            command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
        }
        Ok(Self { shell: command.spawn()? })
    }

    /// The server has ended; its pid may soon be someone else's.
    pub(super) async fn disarm(mut self) {
        if let Err(error) = self.shell.kill().await {
            tracing::debug!(%error, "watchdog was already gone");
        }
    }
}
