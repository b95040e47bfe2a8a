//! What a process writes to its standard error: V8's last words, or a panic's.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};

use isobase_base::limits::{PROCESS_ERROR_LINE_BYTES_MAX, PROCESS_ERROR_LINES_MAX};
use isobase_base::task::{self, TaskKind};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

/// Puts lines into the host's log, up to so many; what comes after them nobody reads.
pub(super) fn read(errors: UnixStream, name: Arc<OnceLock<String>>) -> io::Result<()> {
    errors.set_nonblocking(true)?;
    let errors = tokio::net::UnixStream::from_std(errors)?;
    task::spawn(TaskKind::Request, "errors of a process", async move {
        let bytes_max = PROCESS_ERROR_LINES_MAX * PROCESS_ERROR_LINE_BYTES_MAX;
        let mut lines = BufReader::new(errors.take(bytes_max as u64));
        for _ in 0..PROCESS_ERROR_LINES_MAX {
            let mut line = Vec::new();
            if lines.read_until(b'\n', &mut line).await.unwrap_or(0) == 0 {
                return;
            }
            line.truncate(PROCESS_ERROR_LINE_BYTES_MAX);
            let line = String::from_utf8_lossy(&line);
            let function = name.get().map_or("none yet", String::as_str);
            tracing::warn!(function, line = line.trim_end(), "the process of a function says");
        }
    });
    Ok(())
}
