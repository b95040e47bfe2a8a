//! One host per project directory. The lock is the kernel's, so it is gone with the process that
//! held it, however that ended; the pid written into the file is only for people.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::ClusterError;

/// Held until dropped.
pub(super) struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Takes `<state>/lock`, or tells who holds it.
    pub(super) fn take(state: &Path) -> Result<Self, ClusterError> {
        let path = state.join("lock");
        let failed = |source| ClusterError::file(&path, source);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        let mut file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => file,
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut text = String::new();
                let _ = file.read_to_string(&mut text);
                return Err(ClusterError::AlreadyRunning { pid: text.trim().parse().ok() });
            }
            Err((_file, errno)) => return Err(failed(errno.into())),
        };
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}
