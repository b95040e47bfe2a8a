//! What a running `isobase start` leaves for `stop`, `status` and tools: `.isobase/run.json`,
//! written when everything is up and removed at a clean stop. It holds keys and passwords of the
//! database, so its owner alone can read it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use isobase_base::project::state_folder;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct RunState {
    pub(crate) pid: i32,
    /// Tells the process from a later one with its id.
    pub(crate) process_start: Option<u64>,
    pub(crate) version: String,
    pub(crate) api_url: String,
    pub(crate) admin_url: String,
    /// Where debuggers attach, `HOST:PORT`.
    #[serde(default)]
    pub(crate) inspector: Option<String>,
    pub(crate) db_url: String,
    /// The database in the host's own role: for tools that look at the host's tables.
    #[serde(default)]
    pub(crate) host_db_url: String,
    pub(crate) publishable_key: String,
    pub(crate) secret_key: String,
    pub(crate) jwt_secret: String,
    pub(crate) anon_key: String,
    pub(crate) service_role_key: String,
    pub(crate) jwks: String,
    pub(crate) access_token: String,
    pub(crate) project_ref: String,
}

/// When a process began, in clock ticks since the machine did: field 22 of `proc(5)`'s `stat`. `None`
/// for one that has ended and is only waited for, and where there is no `/proc`.
pub(crate) fn process_start(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name that may hold anything, parentheses too.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?;
    if state == "Z" { None } else { fields.nth(18)?.parse().ok() }
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

    /// Whether the very process exists: ids are used again by others.
    pub(crate) fn is_alive(&self) -> bool {
        kill(Pid::from_raw(self.pid), None).is_ok() && process_start(self.pid) == self.process_start
    }

    pub(crate) fn remove(workdir: &Path) {
        _ = fs::remove_file(file(workdir));
    }
}

#[cfg(test)]
mod tests {
    use super::process_start;

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(process_start(own), process_start(own));
        assert_ne!(process_start(own), process_start(1));
        assert_eq!(process_start(i32::MAX), None);
    }
}
