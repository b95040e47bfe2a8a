//! Bodies: a request's, read piece by piece or as a whole, and a response's, written.

use std::fmt;
use std::io::{self, Read, Write};

use crate::bindings::wasi::http::types::{IncomingBody, OutgoingBody};
use crate::bindings::wasi::io::streams::{InputStream, OutputStream, StreamError};

/// Asked of the host in one read, in bytes. A smaller piece costs more calls, a larger one memory.
const READ_BYTES: u64 = 64 * 1024;

/// The body of a request. Bytes enter the function's memory only when they are read.
#[derive(Debug)]
pub struct Body {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Host(IncomingBody),
    /// Being read: the stream is a child of the body and goes first.
    Open(InputStream, Option<IncomingBody>),
    Held(io::Cursor<Vec<u8>>),
    Ended,
}

/// A body of which nothing was read.
pub(crate) enum Unread {
    Host(IncomingBody),
    Held(Vec<u8>),
}

/// Why a body could not be had.
#[derive(Debug)]
pub enum BodyError {
    /// The client broke off, or sent more than the route allows.
    Broken(String),
    /// It came whole and is not what was asked for: not UTF-8, not JSON of that shape.
    Malformed(String),
}

impl fmt::Display for BodyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(why) => write!(formatter, "the request's body broke off: {why}"),
            Self::Malformed(why) => write!(formatter, "the request's body is malformed: {why}"),
        }
    }
}

impl std::error::Error for BodyError {}

impl Body {
    pub(crate) fn from_host(body: IncomingBody) -> Self {
        Self { source: Source::Host(body) }
    }

    pub(crate) fn from_stream(stream: InputStream) -> Self {
        Self { source: Source::Open(stream, None) }
    }

    pub(crate) fn held(bytes: Vec<u8>) -> Self {
        Self { source: Source::Held(io::Cursor::new(bytes)) }
    }

    /// The next piece as it comes from the client; `None` at the end.
    pub fn chunk(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        self.chunk_of(READ_BYTES)
    }

    /// Reads to the end.
    pub fn read_all(mut self) -> Result<Vec<u8>, BodyError> {
        let Some(mut whole) = self.chunk()? else { return Ok(Vec::new()) };
        while let Some(chunk) = self.chunk()? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole)
    }

    fn chunk_of(&mut self, bytes_max: u64) -> Result<Option<Vec<u8>>, BodyError> {
        self.open();
        match &mut self.source {
            Source::Open(stream, _) => match stream.blocking_read(bytes_max) {
                Ok(chunk) => Ok(Some(chunk)),
                Err(StreamError::Closed) => {
                    self.end();
                    Ok(None)
                }
                Err(StreamError::LastOperationFailed(error)) => {
                    let why = error.to_debug_string();
                    drop(error);
                    self.end();
                    Err(BodyError::Broken(why))
                }
            },
            Source::Held(bytes) => {
                let mut chunk = Vec::new();
                bytes
                    .take(bytes_max)
                    .read_to_end(&mut chunk)
                    .map_err(|error| BodyError::Broken(error.to_string()))?;
                Ok((!chunk.is_empty()).then_some(chunk))
            }
            Source::Host(_) | Source::Ended => Ok(None),
        }
    }

    fn open(&mut self) {
        self.source = match std::mem::replace(&mut self.source, Source::Ended) {
            Source::Host(body) => match body.stream() {
                Ok(stream) => Source::Open(stream, Some(body)),
                Err(()) => Source::Ended,
            },
            other => other,
        };
    }

    fn end(&mut self) {
        if let Source::Open(stream, body) = std::mem::replace(&mut self.source, Source::Ended) {
            drop(stream);
            drop(body);
        }
    }

    /// The whole body when nothing of it was read yet, otherwise what can still be read.
    pub(crate) fn into_unread(mut self) -> Result<Unread, Self> {
        match std::mem::replace(&mut self.source, Source::Ended) {
            Source::Host(body) => Ok(Unread::Host(body)),
            Source::Held(bytes) if bytes.position() == 0 => Ok(Unread::Held(bytes.into_inner())),
            source => Err(Self { source }),
        }
    }

    /// Moves the rest into `out` within the host: the bytes never enter this function's memory.
    pub(crate) fn splice_into(mut self, out: &mut Writer) -> io::Result<()> {
        self.open();
        let Source::Open(stream, _) = &self.source else {
            while let Some(chunk) = self.chunk().map_err(io::Error::other)? {
                out.write_all(&chunk)?;
            }
            return Ok(());
        };
        let spliced = loop {
            match out.stream.blocking_splice(stream, READ_BYTES) {
                Ok(_) => {}
                Err(StreamError::Closed) => break Ok(()),
                Err(error) => break Err(to_io(error)),
            }
        };
        self.end();
        spliced
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.end();
    }
}

impl Read for Body {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let chunk = self.chunk_of(into.len() as u64).map_err(io::Error::other)?.unwrap_or_default();
        into[..chunk.len()].copy_from_slice(&chunk);
        Ok(chunk.len())
    }
}

/// Writes a response's body piece by piece. A write waits while the client reads slower than the
/// function writes, and fails once the client is gone.
#[derive(Debug)]
pub struct Writer {
    stream: OutputStream,
}

impl Writer {
    pub(crate) fn to(body: &OutgoingBody) -> Self {
        Self { stream: body.write().expect("a body that was just made has its stream") }
    }

    pub(crate) fn over(stream: OutputStream) -> Self {
        Self { stream }
    }

    /// Bytes that can be written now without a wait.
    pub(crate) fn room(&self) -> u64 {
        self.stream.check_write().unwrap_or(0)
    }

    /// Waits until at least one byte may be written and says how many may.
    fn wait_for_room(&self) -> io::Result<usize> {
        loop {
            match self.stream.check_write().map_err(to_io)? {
                0 => self.stream.subscribe().block(),
                room => return Ok(usize::try_from(room).unwrap_or(usize::MAX)),
            }
        }
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let room = self.wait_for_room()?.min(bytes.len());
        self.stream.write(&bytes[..room]).map_err(to_io)?;
        Ok(room)
    }

    /// Every write is on its way to the client already.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn to_io(error: StreamError) -> io::Error {
    match error {
        StreamError::Closed => io::ErrorKind::BrokenPipe.into(),
        StreamError::LastOperationFailed(error) => io::Error::other(error.to_debug_string()),
    }
}
