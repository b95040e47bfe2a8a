//! Where the bytes of a long document wait for its client: a little memory, then the disk.
//!
//! A [`SpoolWriter`] is fed by whoever reads the server's socket, a [`SpoolReader`] is the body of a
//! response. A client that keeps up is handed bytes as they come. One that does not may hold the
//! connection back for [`DATABASE_BACKPRESSURE_MAX`]; from then on what it leaves is written to a file
//! without a name, in order, and read from there. So no client holds a connection for long, and none
//! holds more memory than these bounds.
//!
//! In order of age, bytes are in `front`, in the file, in `back`.

mod reader;
mod spill;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use isobase_base::limits::{DATABASE_BACKPRESSURE_MAX, DATABASE_SPILL_PIECE_BYTES, DATABASE_SPOOL_BYTES_MAX};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use reader::SpoolReader;
use spill::SpilledFile;
pub(crate) use spill::{Room, Spills};

#[derive(Debug)]
struct Spool {
    state: Mutex<State>,
    /// Told when the reader has taken something.
    taken: Notify,
    /// Cancelled when the reader is gone.
    left: CancellationToken,
    spills: Arc<Spills>,
}

#[derive(Debug, Default)]
struct State {
    front: Pieces,
    file: Option<SpilledFile>,
    /// Bytes that were in `back` are on their way to the file.
    writing: bool,
    back: Pieces,
    /// Whether all came, and why not.
    end: Option<Result<(), String>>,
    reader: Option<Waker>,
}

#[derive(Debug, Default)]
struct Pieces {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

/// Why nothing more can be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    #[error("nobody reads it any more")]
    Left,
    #[error("too many large results wait for their clients")]
    Full,
    #[error("a result could not be kept on the disk: {0}")]
    Disk(#[from] std::io::Error),
}

/// How a writer treats a reader that does not keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Waits for it, within [`DATABASE_BACKPRESSURE_MAX`].
    OfReader,
    /// Nobody reads before the end.
    OfWriter,
}

/// Dropped without [`SpoolWriter::finish`], what was written breaks off.
pub(crate) struct SpoolWriter {
    spool: Arc<Spool>,
    /// What is left of the time to wait.
    patience: Duration,
}

/// A spool of `length` bytes, where that is known.
pub(crate) fn spool(spills: &Arc<Spills>, pace: Pace, length: Option<u64>) -> (SpoolWriter, SpoolReader) {
    let spool = Arc::new(Spool {
        state: Mutex::default(),
        taken: Notify::new(),
        left: CancellationToken::new(),
        spills: Arc::clone(spills),
    });
    let patience = match pace {
        Pace::OfReader => DATABASE_BACKPRESSURE_MAX,
        Pace::OfWriter => Duration::ZERO,
    };
    (SpoolWriter { spool: Arc::clone(&spool), patience }, SpoolReader::new(spool, length))
}

impl SpoolWriter {
    /// Adds to the end.
    ///
    /// Not cancel-safe: after a drop the only thing to do is to drop the writer too.
    pub(crate) async fn push(&mut self, bytes: Bytes) -> Result<(), SpoolError> {
        if bytes.is_empty() {
            return Ok(());
        }
        if !self.spool.has_room() && !self.patience.is_zero() {
            self.wait_for_room().await;
        }
        if self.spool.left.is_cancelled() {
            return Err(SpoolError::Left);
        }
        if self.spool.state.lock().add(bytes) {
            return Ok(());
        }
        self.spill().await
    }

    /// Everything was written.
    pub(crate) fn finish(self) {
        self.spool.end(Ok(()));
    }

    /// The reader is told that the rest will not come.
    pub(crate) fn break_off(self, why: String) {
        self.spool.end(Err(why));
    }

    /// Cancelled when nobody reads any more.
    pub(crate) fn reader_left(&self) -> CancellationToken {
        self.spool.left.clone()
    }

    async fn wait_for_room(&mut self) {
        let begun = Instant::now();
        let room = async {
            loop {
                let taken = self.spool.taken.notified();
                if self.spool.has_room() || self.spool.left.is_cancelled() {
                    return;
                }
                tokio::select! {
                    () = taken => {}
                    () = self.spool.left.cancelled() => return,
                }
            }
        };
        let _patience_over = tokio::time::timeout(self.patience, room).await;
        self.patience = self.patience.saturating_sub(begun.elapsed());
    }

    /// Writes what is in `back` to the end of the file.
    async fn spill(&mut self) -> Result<(), SpoolError> {
        let (pieces, file) = {
            let mut state = self.spool.state.lock();
            state.writing = true;
            (std::mem::take(&mut state.back), state.file.take())
        };
        let spills = Arc::clone(&self.spool.spills);
        let mut file = match file {
            Some(file) => file,
            None => spills.file().await?,
        };
        // The reader waits while `writing` is set, so the file is not missed.
        file.append(pieces.pieces, pieces.bytes as u64).await?;
        let mut state = self.spool.state.lock();
        state.file = Some(file);
        state.writing = false;
        state.wake();
        Ok(())
    }
}

impl Drop for SpoolWriter {
    fn drop(&mut self) {
        self.spool.end(Err("its source went away".to_owned()));
    }
}

impl Spool {
    fn has_room(&self) -> bool {
        let state = self.state.lock();
        !state.is_spilling() && state.front.bytes < DATABASE_SPOOL_BYTES_MAX
    }

    /// The first end counts.
    fn end(&self, end: Result<(), String>) {
        let mut state = self.state.lock();
        if state.end.is_none() {
            state.end = Some(end);
            state.writing = false;
        }
        state.wake();
    }
}

impl State {
    fn is_spilling(&self) -> bool {
        self.file.is_some() || self.writing || self.back.bytes > 0
    }

    /// Whether `bytes` can stay in memory for now.
    fn add(&mut self, bytes: Bytes) -> bool {
        if self.is_spilling() || self.front.bytes >= DATABASE_SPOOL_BYTES_MAX {
            self.back.push(bytes);
        } else {
            self.front.push(bytes);
        }
        self.wake();
        self.back.bytes < DATABASE_SPILL_PIECE_BYTES
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Pieces {
    fn push(&mut self, bytes: Bytes) {
        self.bytes += bytes.len();
        self.pieces.push_back(bytes);
    }

    fn pop(&mut self) -> Option<Bytes> {
        let bytes = self.pieces.pop_front()?;
        self.bytes -= bytes.len();
        Some(bytes)
    }
}

#[cfg(test)]
mod tests;
