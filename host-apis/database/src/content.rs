//! A value that the host keeps for a function: at hand, or on its way.

use std::future::poll_fn;

use bytes::{Bytes, BytesMut};
use isobase_base::Body;
use isobase_base::limits::DATABASE_RESULT_BYTES_MAX;

use crate::Error;
use crate::spool::SpoolReader;

/// The last column of a document. A long one is read from the server while it is handed on, in constant
/// memory; dropping it ends its statement.
#[derive(Debug)]
pub struct Content(Kind);

#[derive(Debug)]
enum Kind {
    Whole(Bytes),
    Spooled(SpoolReader),
}

impl Content {
    pub(crate) fn spooled(reader: SpoolReader) -> Self {
        Self(Kind::Spooled(reader))
    }

    /// In bytes; none for lines that are still coming.
    pub fn length(&self) -> Option<u64> {
        match &self.0 {
            Kind::Whole(bytes) => Some(bytes.len() as u64),
            Kind::Spooled(reader) => reader.length(),
        }
    }

    /// All of it, from now on held in memory: at most [`DATABASE_RESULT_BYTES_MAX`]. Fails where it breaks
    /// off.
    pub async fn read(&mut self) -> Result<Bytes, Error> {
        let reader = match &mut self.0 {
            Kind::Whole(bytes) => return Ok(bytes.clone()),
            Kind::Spooled(reader) => reader,
        };
        let too_long = || {
            Err(Error::Refused(format!("a value of more than {DATABASE_RESULT_BYTES_MAX} bytes is not read")))
        };
        let length = usize::try_from(reader.length().unwrap_or(0)).unwrap_or(usize::MAX);
        if length > DATABASE_RESULT_BYTES_MAX {
            return too_long();
        }
        let mut whole = BytesMut::with_capacity(length);
        while let Some(bytes) = poll_fn(|context| reader.poll_next(context)).await {
            whole.extend_from_slice(&bytes.map_err(Error::Unavailable)?);
            if whole.len() > DATABASE_RESULT_BYTES_MAX {
                return too_long();
            }
        }
        let whole = whole.freeze();
        self.0 = Kind::Whole(whole.clone());
        Ok(whole)
    }

    /// To answer with.
    pub fn into_body(self) -> Body {
        match self.0 {
            Kind::Whole(bytes) => bytes.into(),
            Kind::Spooled(reader) => Body::from_host(reader),
        }
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Whole(bytes))
    }
}
