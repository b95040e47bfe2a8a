//! A part of a file as a body: read on demand, one piece ahead of the reader.

use std::fs::File;
use std::future::Future;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use isobase_base::BodyError;
use isobase_base::limits::STORAGE_READ_BYTES;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Nothing is held open beyond the file: once it has a name no more, its bytes can still be read.
pub(super) struct FileBody {
    file: Arc<File>,
    runtime: Handle,
    /// Where the next read begins.
    offset: u64,
    /// What no read was begun for.
    unread: u64,
    /// What has not been handed out.
    left: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    /// `length` bytes of `file` from `offset`; read on the threads of `runtime`.
    pub(super) fn new(file: File, offset: u64, length: u64, runtime: Handle) -> Self {
        let file = Arc::new(file);
        Self { file, runtime, offset, unread: length, left: length, reading: None }
    }

    fn begin_reading(&mut self) {
        if self.reading.is_some() || self.unread == 0 {
            return;
        }
        let length = self.unread.min(STORAGE_READ_BYTES as u64);
        let (file, offset) = (Arc::clone(&self.file), self.offset);
        self.reading = Some(self.runtime.spawn_blocking(move || read_at(&file, offset, length)));
        self.offset += length;
        self.unread -= length;
    }
}

/// Exactly `length` bytes; a file that is shorter was tampered with.
pub(super) fn read_at(file: &File, offset: u64, length: u64) -> io::Result<Bytes> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(STORAGE_READ_BYTES)];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes.into())
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        this.begin_reading();
        let Some(reading) = &mut this.reading else { return Poll::Ready(None) };
        let Poll::Ready(read) = Pin::new(reading).poll(context) else { return Poll::Pending };
        this.reading = None;
        let broken = |why: String| Poll::Ready(Some(Err(BodyError::Source(why))));
        match read {
            Ok(Ok(bytes)) => {
                this.left -= bytes.len() as u64;
                this.begin_reading();
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Ok(Err(error)) => {
                this.unread = 0;
                broken(format!("the stored object could not be read: {error}"))
            }
            Err(error) => {
                this.unread = 0;
                broken(format!("reading the stored object ended: {error}"))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
