//! An object that is written piece by piece.

use std::io::{self, Write};

use super::{Error, Stored, host};
use crate::{Body, Writer};

/// Writes an object. It appears when [`Upload::finish`] returns; dropped before, it never was.
///
/// A write fails once storing has failed; `finish` then tells why.
#[derive(Debug)]
pub struct Upload {
    // Before the upload: it is the upload's own.
    writer: Writer,
    host: host::Upload,
}

impl Upload {
    pub(super) fn begin(host: host::Upload) -> Self {
        let stream = host.stream().expect("an upload that was just made has its stream");
        Self { writer: Writer::over(stream), host }
    }

    /// Moves the rest of `body` in, within the host.
    pub fn splice(&mut self, body: Body) -> io::Result<()> {
        body.splice_into(&mut self.writer)
    }

    /// Returns when the object is there for good.
    pub fn finish(self) -> Result<Stored, Error> {
        drop(self.writer);
        Ok(host::Upload::finish(self.host)?)
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
