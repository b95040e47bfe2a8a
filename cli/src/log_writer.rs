//! Where log lines wait for the terminal, file or pipe that takes them.
//!
//! Nobody waits to log: neither for a terminal that somebody has stopped, nor for a collector that is slow; and a
//! call of the system for each line costs as much as half of a small request. Lines gather in memory and a thread
//! writes them, many at once. What finds [`LOG_WAITING_BYTES_MAX`] waiting is dropped and counted, and the log says so
//! when it goes on.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use isobase_base::limits::{LOG_GATHER_TIME, LOG_WAITING_BYTES_MAX};
use tracing_subscriber::fmt::MakeWriter;

/// How long the end of the process waits for the last lines. Longer, and nobody is reading.
const FLUSH_TIME: Duration = Duration::from_secs(2);

/// Takes lines. Clones share one place to wait.
#[derive(Clone)]
pub(crate) struct LogWriter(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// There is something to write.
    come: Condvar,
    /// All there was is written.
    gone: Condvar,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    dropped: u64,
    /// The thread holds bytes that are not written yet.
    writing: bool,
    /// Somebody wants to see the lines now.
    hurried: bool,
}

impl LogWriter {
    /// Writes to `output` from a thread of its own, for as long as the process lives.
    pub(crate) fn start(output: impl Write + Send + 'static) -> anyhow::Result<Self> {
        let writer = Self(Arc::default());
        let shared = writer.0.clone();
        let thread = thread::Builder::new().name("log".to_owned());
        thread.spawn(move || shared.write_to(output)).context("could not start the thread of the log")?;
        Ok(writer)
    }

    /// Waits until all lines are written, if somebody reads them.
    pub(crate) fn flush(&self) {
        let mut waiting = self.0.lock();
        waiting.hurried = true;
        self.0.come.notify_one();
        let unwritten = |waiting: &mut Waiting| waiting.writing || !waiting.bytes.is_empty();
        drop(self.0.gone.wait_timeout_while(waiting, FLUSH_TIME, unwritten));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("no panic while a line is put down")
    }

    fn put(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.bytes.len() + line.len() > LOG_WAITING_BYTES_MAX {
            waiting.dropped += 1;
            return;
        }
        let was_empty = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(line);
        drop(waiting);
        if was_empty {
            self.come.notify_one();
        }
    }

    fn write_to(&self, mut output: impl Write) {
        let mut lines = Vec::new();
        loop {
            let dropped = self.take(&mut lines);
            // Whoever read the log may be gone; the host lives on.
            _ = output.write_all(&lines).and_then(|()| output.flush());
            lines.clear();
            self.lock().writing = false;
            self.gone.notify_all();
            if dropped > 0 {
                tracing::warn!(
                    lines = dropped,
                    "lines of this log were dropped: they were not read as fast as they came"
                );
            }
        }
    }

    /// Waits for lines, lets some more gather, and swaps them for `lines`, which is empty. Returns how many were
    /// dropped since the last time.
    fn take(&self, lines: &mut Vec<u8>) -> u64 {
        let waiting = self.lock();
        let waiting =
            self.come.wait_while(waiting, |waiting| waiting.bytes.is_empty() && waiting.dropped == 0);
        let waiting = waiting.expect("no panic while a line is put down");
        let gathered = self.come.wait_timeout_while(waiting, LOG_GATHER_TIME, |waiting| !waiting.hurried);
        let (mut waiting, _) = gathered.expect("no panic while a line is put down");
        std::mem::swap(&mut waiting.bytes, lines);
        waiting.writing = true;
        waiting.hurried = false;
        std::mem::take(&mut waiting.dropped)
    }
}

/// One line, which the formatter writes at once.
pub(crate) struct Line<'w>(&'w Shared);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for LogWriter {
    type Writer = Line<'w>;

    fn make_writer(&'w self) -> Line<'w> {
        Line(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn lines_come_out_in_their_order() {
        let (output, mut reader) = UnixStream::pair().unwrap();
        let writer = LogWriter::start(output).unwrap();
        for number in 0..1_000 {
            writeln!(writer.make_writer(), "{number}").unwrap();
        }
        let expected = (0..1_000).map(|number| format!("{number}\n")).collect::<String>();
        let mut read = vec![0; expected.len()];
        io::Read::read_exact(&mut reader, &mut read).unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), expected);
    }

    #[test]
    fn nobody_waits_for_a_reader_who_does_not_read() {
        let (output, reader) = UnixStream::pair().unwrap();
        let writer = LogWriter::start(output).unwrap();
        let line = [b'x'; 1024];
        let lines = 3 * LOG_WAITING_BYTES_MAX / line.len();
        for _ in 0..lines {
            assert_eq!(writer.make_writer().write(&line).unwrap(), line.len());
        }
        let waiting = writer.0.lock();
        assert!(waiting.bytes.len() <= LOG_WAITING_BYTES_MAX);
        assert!(waiting.dropped > 0, "the bound holds what a socket does not take");
        drop((waiting, reader));
    }

    #[test]
    fn a_flush_waits_for_all_that_was_said() {
        let (output, mut reader) = UnixStream::pair().unwrap();
        let writer = LogWriter::start(output).unwrap();
        writer.make_writer().write_all(b"last words").unwrap();
        writer.flush();
        reader.set_nonblocking(true).unwrap();
        let mut read = [0; 10];
        io::Read::read_exact(&mut reader, &mut read).unwrap();
        assert_eq!(&read, b"last words");
    }
}
