//! What a running `isobase start` leaves for `stop`, `status` and tools: `.isobase/run.json`,
//! written when everything is up and removed at a clean stop. Holds no secret but the local
//! database password that the Supabase CLI prints as well; readable by its owner only.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunState {
    pub(crate) pid: i32,
    pub(crate) version: String,
    pub(crate) api_url: String,
    pub(crate) admin_url: String,
    pub(crate) db_url: String,
    pub(crate) publishable_key: String,
    pub(crate) secret_key: String,
    pub(crate) jwt_secret: String,
    pub(crate) anon_key: String,
    pub(crate) service_role_key: String,
}

/// The folder for everything that can be deleted and made again, data included.
pub(crate) fn state_folder(workdir: &Path) -> PathBuf {
    workdir.join(".isobase")
}

fn file(workdir: &Path) -> PathBuf {
    state_folder(workdir).join("run.json")
}

impl RunState {
    pub(crate) fn write(&self, workdir: &Path) -> anyhow::Result<()> {
        let path = file(workdir);
        let unfinished = path.with_extension("tmp");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut target =
            options.open(&unfinished).with_context(|| format!("could not write {}", unfinished.display()))?;
        target.write_all(&serde_json::to_vec_pretty(self)?)?;
        fs::rename(&unfinished, &path).with_context(|| format!("could not write {}", path.display()))
    }

    /// The state of a process that still lives; a file left by a crash counts as none.
    pub(crate) fn of_running(workdir: &Path) -> anyhow::Result<Option<Self>> {
        let path = file(workdir);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("could not read {}", path.display())),
        };
        let state: Self = serde_json::from_slice(&text)
            .with_context(|| format!("{} is damaged; delete it", path.display()))?;
        Ok(state.is_alive().then_some(state))
    }

    /// Whether the process exists and is an isobase: process ids are used again by others.
    pub(crate) fn is_alive(&self) -> bool {
        let exists = kill(Pid::from_raw(self.pid), None).is_ok();
        let command = fs::read(format!("/proc/{}/cmdline", self.pid));
        exists && command.map_or(true, |command| String::from_utf8_lossy(&command).contains("start"))
    }

    pub(crate) fn remove(workdir: &Path) {
        _ = fs::remove_file(file(workdir));
    }
}
