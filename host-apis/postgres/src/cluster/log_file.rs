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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use isobase_base::limits::POSTGRES_LOG_BYTES_MAX;

    use super::{length, open, tail, turn_over_if_full};

    #[test]
    fn a_full_log_is_turned_over_under_its_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("postgres.log");
        let mut writer = open(&path).unwrap();
        writeln!(writer, "first").unwrap();
        turn_over_if_full(&path).unwrap();
        assert_eq!(length(&path), 6);
        writer.set_len(POSTGRES_LOG_BYTES_MAX).unwrap();
        turn_over_if_full(&path).unwrap();
        assert_eq!(length(&path), 0);
        assert_eq!(length(&folder.path().join("postgres.log.1")), POSTGRES_LOG_BYTES_MAX);
        writeln!(writer, "second").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "second\n");
    }

    #[test]
    fn the_tail_begins_where_the_run_began() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("postgres.log");
        let mut writer = open(&path).unwrap();
        write!(writer, "old\nnew\n").unwrap();
        assert_eq!(tail(&path, 4), "new");
        assert_eq!(tail(&path, 400), "");
        write!(writer, "{}", "x".repeat(10_000)).unwrap();
        assert_eq!(tail(&path, 0).len(), 4096);
        assert!(tail(&folder.path().join("none"), 0).starts_with("(the log cannot be read"));
    }
}
