//! The end of a spool that a client reads.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use isobase_base::BodyError;
use isobase_base::limits::DATABASE_SPILL_PIECE_BYTES;
use tokio::task::JoinHandle;

use super::Spool;

/// The bytes of a spool in their order. Dropping it tells the writer to stop.
#[derive(Debug)]
pub(crate) struct SpoolReader {
    pub(super) spool: Arc<Spool>,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    /// What is still to be read, where the length was known.
    left: Option<u64>,
    ended: bool,
}

/// What to do next.
enum Next {
    Take(Bytes),
    Read(JoinHandle<io::Result<Bytes>>),
    End(Result<(), String>),
    Wait,
}

impl SpoolReader {
    pub(super) fn new(spool: Arc<Spool>, length: Option<u64>) -> Self {
        Self { spool, reading: None, left: length, ended: false }
    }

    pub(crate) fn length(&self) -> Option<u64> {
        self.left
    }

    /// The next bytes; none at the end.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            if let Some(reading) = &mut self.reading {
                let read = ready!(Pin::new(reading).poll(context));
                self.reading = None;
                let read = read.map_err(io::Error::other).flatten();
                return Poll::Ready(Some(match read {
                    Ok(bytes) => Ok(self.taken(bytes)),
                    Err(error) => {
                        self.ended = true;
                        Err(format!("what waited on the disk could not be read: {error}"))
                    }
                }));
            }
            match self.next(context) {
                Next::Take(bytes) => {
                    self.spool.taken.notify_one();
                    return Poll::Ready(Some(Ok(self.taken(bytes))));
                }
                Next::Read(reading) => self.reading = Some(reading),
                Next::End(end) => {
                    self.ended = true;
                    return Poll::Ready(end.err().map(Err));
                }
                Next::Wait => return Poll::Pending,
            }
        }
    }

    fn next(&self, context: &Context<'_>) -> Next {
        let mut state = self.spool.state.lock();
        if let Some(bytes) = state.front.pop() {
            return Next::Take(bytes);
        }
        if state.writing {
            state.reader = Some(context.waker().clone());
            return Next::Wait;
        }
        if let Some(file) = &mut state.file {
            if let Some(reading) = file.read(DATABASE_SPILL_PIECE_BYTES) {
                return Next::Read(reading);
            }
            // All of it was read: from here on memory may do.
            state.file = None;
        }
        state.front = std::mem::take(&mut state.back);
        if let Some(bytes) = state.front.pop() {
            return Next::Take(bytes);
        }
        match &state.end {
            Some(end) => Next::End(end.clone()),
            None => {
                state.reader = Some(context.waker().clone());
                Next::Wait
            }
        }
    }

    fn taken(&mut self, bytes: Bytes) -> Bytes {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(bytes.len() as u64);
        }
        bytes
    }
}

impl Drop for SpoolReader {
    fn drop(&mut self) {
        self.spool.left.cancel();
        let mut state = self.spool.state.lock();
        // A writer that is at it keeps what it has until it sees.
        (state.front, state.back, state.file) = Default::default();
    }
}

impl http_body::Body for SpoolReader {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = ready!(self.poll_next(context));
        Poll::Ready(next.map(|bytes| bytes.map(Frame::data).map_err(BodyError::Source)))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
