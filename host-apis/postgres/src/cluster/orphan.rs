//! A server from an earlier host on this data folder: stopped if it really is one, its pid file
//! removed if the pid meanwhile belongs to another program.
//!
//! The caller holds the host's lock, so no running host owns what is found here.

use std::path::Path;
use std::time::Duration;

use isobase_base::limits::{POSTGRES_QUIT_TIMEOUT, POSTGRES_STOP_TIMEOUT};
use isobase_base::progress::Progress;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::ClusterError;

/// Between two looks at a process that was told to end.
const POLL: Duration = Duration::from_millis(20);

/// Who the pid in `postmaster.pid` is.
#[derive(Debug, PartialEq, Eq)]
enum Holder {
    /// Nobody. Postgres recognises this by itself.
    Gone,
    /// A server on this data folder.
    Ours,
    /// Another program; pids are used again, in containers soon.
    Stranger,
}

/// Makes `data` free for a server of ours.
pub(super) async fn clear(data: &Path, progress: &dyn Progress) -> Result<(), ClusterError> {
    let path = data.join("postmaster.pid");
    let Some(pid) = read_pid(&path) else { return Ok(()) };
    match holder(pid, data) {
        Holder::Gone => Ok(()),
        Holder::Stranger => {
            progress
                .note(&format!("removing a stale {}: process {pid} is not this database", path.display()));
            std::fs::remove_file(&path).map_err(|source| ClusterError::file(&path, source))
        }
        Holder::Ours => {
            progress.step("Stopping the Postgres that an earlier isobase left behind");
            stop(pid, data).await
        }
    }
}

async fn stop(pid: Pid, data: &Path) -> Result<(), ClusterError> {
    for (signal, patience) in
        [(Signal::SIGINT, POSTGRES_STOP_TIMEOUT), (Signal::SIGQUIT, POSTGRES_QUIT_TIMEOUT)]
    {
        // It may end by itself at any moment: a refused signal shows in the wait below.
        let _ = kill(pid, signal);
        let gone = async {
            while holder(pid, data) == Holder::Ours {
                tokio::time::sleep(POLL).await;
            }
        };
        if tokio::time::timeout(patience, gone).await.is_ok() {
            return Ok(());
        }
    }
    Err(ClusterError::OrphanStays { pid: pid.as_raw(), data: data.to_owned() })
}

/// The first line of `postmaster.pid`. Negative in single-user mode, which counts as well.
fn read_pid(path: &Path) -> Option<Pid> {
    let text = std::fs::read_to_string(path).ok()?;
    let number: i32 = text.lines().next()?.trim().parse().ok()?;
    (number.abs() > 1).then(|| Pid::from_raw(number.abs()))
}

fn holder(pid: Pid, data: &Path) -> Holder {
    match kill(pid, None) {
        Err(Errno::ESRCH) => Holder::Gone,
        _ if serves(pid, data) => Holder::Ours,
        _ => Holder::Stranger,
    }
}

/// Whether the process is a Postgres on this data folder: by its working folder, which a postmaster
/// sets to its data, or, where there is no /proc, by its command line.
fn serves(pid: Pid, data: &Path) -> bool {
    let proc = Path::new("/proc").join(pid.to_string());
    if proc.is_dir() {
        // A dead process nobody waited for still answers signals, but has no working folder.
        let folder = std::fs::read_link(proc.join("cwd")).ok();
        let name = std::fs::read_to_string(proc.join("comm")).unwrap_or_default();
        return folder.as_deref() == data.canonicalize().ok().as_deref()
            && folder.is_some()
            && matches!(name.trim(), "postgres" | "postmaster");
    }
    let listed = std::process::Command::new("ps").args(["-o", "args=", "-p", &pid.to_string()]).output();
    listed.is_ok_and(|output| {
        let line = String::from_utf8_lossy(&output.stdout);
        line.contains("postgres") && line.contains(&data.display().to_string())
    })
}

#[cfg(test)]
mod tests {
    use isobase_base::progress::Silent;
    use nix::unistd::Pid;

    use super::{Holder, clear, holder};

    #[tokio::test]
    async fn a_pid_of_another_program_is_no_server() {
        let data = tempfile::tempdir().unwrap();
        let own = Pid::this();
        assert_eq!(holder(own, data.path()), Holder::Stranger);
        let file = data.path().join("postmaster.pid");
        std::fs::write(&file, format!("{own}\n{}\n", data.path().display())).unwrap();
        clear(data.path(), &Silent).await.unwrap();
        assert!(!file.exists());
    }

    #[tokio::test]
    async fn no_file_and_an_empty_file_are_left_to_postgres() {
        let data = tempfile::tempdir().unwrap();
        clear(data.path(), &Silent).await.unwrap();
        std::fs::write(data.path().join("postmaster.pid"), "").unwrap();
        clear(data.path(), &Silent).await.unwrap();
        assert!(data.path().join("postmaster.pid").exists());
    }
}
