//! `initdb`: makes an empty cluster. It works on a folder of another name, so a data folder is
//! either whole or not there.
//!
//! Most of its time goes into waiting for the disk, file after file. So it is told not to wait;
//! [`Sync`] does that while the server already runs, and a marker stays in the home until it is
//! done. What the server itself writes is durable from its first transaction on. Only a power cut
//! within the first seconds of a cluster's life can damage it; killed processes never do.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use isobase_base::task::{self, TaskKind};
use tokio::task::JoinHandle;

use super::account::Account;
use super::place::Place;
use super::{ClusterError, SUPERUSER};
use crate::Binaries;

/// In the home while files of `initdb` may not be on the disk yet.
const MARKER: &str = "unsynced";

/// The host's own start goes first: it writes to the same disk.
const SYNC_DELAY: Duration = Duration::from_secs(2);

/// Ways to sort text, best first. Supabase's images sort by ICU's en-US; a server built without
/// ICU, or a system without C.UTF-8 (macOS), takes the next.
const LOCALES: [&[&str]; 4] = [
    &["--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8"],
    &["--locale-provider=icu", "--icu-locale=en-US", "--locale=C"],
    &["--locale=C.UTF-8"],
    &["--locale=C"],
];

pub(super) fn run(binaries: &Binaries, place: &Place, superuser_password: &str) -> Result<(), ClusterError> {
    let unfinished = place.home.join("data.new");
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished).map_err(|source| ClusterError::file(&unfinished, source))?;
    }
    place.write(MARKER, "initdb --sync-only has not finished\n")?;
    let password_file = place.write("initdb-password", superuser_password)?;
    let mut result = Err(ClusterError::Initdb { output: String::new() });
    for locale in LOCALES {
        let mut command = Command::new(binaries.initdb());
        command
            .arg("--pgdata")
            .arg(&unfinished)
            .args(["--username", SUPERUSER, "--encoding", "UTF8", "--auth", "scram-sha-256"])
            .arg("--no-sync")
            .arg("--pwfile")
            .arg(&password_file)
            .args(locale);
        result = run_as(command, place);
        match &result {
            Err(ClusterError::Initdb { output }) if is_about_locale(output) => {}
            _ => break,
        }
    }
    std::fs::remove_file(&password_file).map_err(|source| ClusterError::file(&password_file, source))?;
    result?;
    std::fs::rename(&unfinished, &place.data).map_err(|source| ClusterError::file(&place.data, source))
}

fn run_as(mut command: Command, place: &Place) -> Result<(), ClusterError> {
    if place.account.switch {
        command.uid(place.account.uid.as_raw()).gid(place.account.gid.as_raw());
    }
    // The host's own folder may be closed to the server's user.
    command.current_dir(&place.home).env("LC_ALL", "C");
    let output = command
        .output()
        .map_err(|source| ClusterError::Spawn { program: command.get_program().into(), source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(ClusterError::Initdb { output: String::from_utf8_lossy(&output.stderr).trim_end().to_owned() })
}

fn is_about_locale(output: &str) -> bool {
    ["locale", "ICU", "unrecognized option"].iter().any(|word| output.contains(word))
}

/// Waits for the disk in `initdb`'s place.
pub(super) struct Sync {
    initdb: PathBuf,
    data: PathBuf,
    marker: PathBuf,
    account: Account,
}

impl Sync {
    /// `None` if everything is on the disk.
    pub(super) fn needed(binaries: &Binaries, place: &Place) -> Option<Self> {
        let marker = place.home.join(MARKER);
        marker.exists().then(|| Self {
            initdb: binaries.initdb(),
            data: place.data.clone(),
            marker,
            account: place.account.clone(),
        })
    }

    /// Works in the background. Aborting it ends the work, which the next start takes up.
    pub(super) fn start(self) -> JoinHandle<()> {
        task::spawn(TaskKind::Request, "postgres sync", async move {
            let mut command = tokio::process::Command::new(&self.initdb);
            command.arg("--sync-only").arg("--pgdata").arg(&self.data).current_dir("/");
            tokio::time::sleep(SYNC_DELAY).await;
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
            if self.account.switch {
                command.uid(self.account.uid.as_raw()).gid(self.account.gid.as_raw());
            }
            let result = match command.status().await {
                Ok(status) if status.success() => tokio::fs::remove_file(&self.marker).await,
                Ok(status) => Err(std::io::Error::other(status.to_string())),
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                tracing::warn!(%error, "the new database could not be flushed to disk; the next start tries again");
            }
        })
    }
}
