//! Files without a name for what clients leave waiting. Their space goes back when they are closed, even
//! by the end of the process.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use isobase_base::limits::{DATABASE_SPILL_WAIT_MAX, DATABASE_SPILLED_BYTES_MAX};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::SpoolError;

/// What all files together may take of the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(super) bytes_max: u64,
    /// How long one more piece waits for others to go.
    pub(super) wait_max: Duration,
}

impl Default for Room {
    fn default() -> Self {
        Self { bytes_max: DATABASE_SPILLED_BYTES_MAX, wait_max: DATABASE_SPILL_WAIT_MAX }
    }
}

/// All such files of one database.
#[derive(Debug)]
pub(crate) struct Spills {
    folder: PathBuf,
    room: Room,
    /// Whose threads wait for the disk.
    runtime: Handle,
    bytes: AtomicU64,
    /// Told when a file was closed.
    freed: Notify,
}

/// One of them. Written at its end, read from its beginning.
#[derive(Debug)]
pub(crate) struct SpilledFile {
    /// `None` only while it is being taken apart.
    file: Option<Arc<File>>,
    spills: Arc<Spills>,
    read: u64,
    written: u64,
}

impl Spills {
    /// In `folder`, which is made when it is needed.
    pub(crate) fn new(folder: PathBuf, runtime: Handle, room: Room) -> Arc<Self> {
        Arc::new(Self { folder, room, runtime, bytes: AtomicU64::new(0), freed: Notify::new() })
    }

    pub(super) async fn file(self: Arc<Self>) -> io::Result<SpilledFile> {
        let folder = self.folder.clone();
        let made = self.runtime.spawn_blocking(move || {
            fs::create_dir_all(&folder)?;
            tempfile::tempfile_in(&folder)
        });
        let file = Some(Arc::new(made.await.map_err(io::Error::other)??));
        Ok(SpilledFile { file, spills: self, read: 0, written: 0 })
    }

    /// What waits on the disk.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Counts `bytes` more, as soon as there is room for them.
    async fn reserve(&self, bytes: u64) -> Result<(), SpoolError> {
        let room = async {
            loop {
                let freed = self.freed.notified();
                let add = |used: u64| Some(used + bytes).filter(|sum| *sum <= self.room.bytes_max);
                if self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok() {
                    return;
                }
                freed.await;
            }
        };
        tokio::time::timeout(self.room.wait_max, room).await.map_err(|_| SpoolError::Full)
    }
}

impl SpilledFile {
    /// Writes `pieces` of `bytes` together.
    pub(super) async fn append(&mut self, pieces: VecDeque<Bytes>, bytes: u64) -> Result<(), SpoolError> {
        let Some(file) = self.file.clone() else { return Ok(()) };
        self.spills.reserve(bytes).await?;
        let mut offset = self.written;
        // Counted before, so that a write that fails is taken back too.
        self.written += bytes;
        let write = move || {
            for piece in pieces {
                file.write_all_at(&piece, offset)?;
                offset += piece.len() as u64;
            }
            Ok::<_, io::Error>(())
        };
        self.spills.runtime.spawn_blocking(write).await.map_err(io::Error::other)??;
        Ok(())
    }

    /// Begins to read the next bytes, at most `bytes_max`; none when all were read.
    pub(super) fn read(&mut self, bytes_max: usize) -> Option<JoinHandle<io::Result<Bytes>>> {
        let length = (self.written - self.read).min(bytes_max as u64);
        let file = self.file.clone().filter(|_| length > 0)?;
        let offset = self.read;
        self.read += length;
        Some(self.spills.runtime.spawn_blocking(move || {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(bytes_max)];
            file.read_exact_at(&mut bytes, offset)?;
            Ok(bytes.into())
        }))
    }
}

impl Drop for SpilledFile {
    fn drop(&mut self) {
        let Some(file) = self.file.take() else { return };
        let (spills, bytes) = (Arc::clone(&self.spills), self.written);
        // Giving back the space of a large file takes a while.
        self.spills.runtime.spawn_blocking(move || {
            drop(file);
            spills.bytes.fetch_sub(bytes, Ordering::Relaxed);
            spills.freed.notify_waiters();
        });
    }
}
