//! The server's log. The server writes to it directly, so that nothing it says is lost when the
//! host is gone; it is bounded by copying and cutting, which suits a file opened for appending.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use isobase_base::limits::POSTGRES_LOG_BYTES_MAX;

/// How much of the log's end an error shows, in bytes.
const TAIL_BYTES_MAX: u64 = 4 * 1024;

pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Length now: what follows was written by the server that starts next.
pub(super) fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Keeps the log within its bound. Lines written between the copy and the cut are lost.
pub(super) fn turn_over_if_full(path: &Path) -> io::Result<()> {
    if length(path) < POSTGRES_LOG_BYTES_MAX {
        return Ok(());
    }
    std::fs::copy(path, path.with_extension("log.1"))?;
    OpenOptions::new().write(true).open(path)?.set_len(0)
}

/// The end of what was written after `from`.
pub(super) fn tail(path: &Path, from: u64) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.max(end.saturating_sub(TAIL_BYTES_MAX)).min(end)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    };
    read().unwrap_or_else(|error| format!("(the log cannot be read: {error})"))
}
