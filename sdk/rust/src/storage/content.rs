//! An object's bytes, and what can become some.

use super::{Error, Object, host};
use crate::Body;

/// An object that was read.
#[derive(Debug)]
pub struct Got {
    pub object: Object,
    /// Of the whole object, in bytes.
    pub size: u64,
    /// Where the part begins that `content` is.
    pub first: u64,
    pub content: Content,
}

/// Bytes in the host: answer with them ([`crate::Response::stored`]), store them again, or read them.
#[derive(Debug)]
pub struct Content(host::Content);

/// What an object is made of.
#[derive(Debug)]
pub enum Source {
    Bytes(Vec<u8>),
    /// A request's or a response's body, moved within the host.
    Body(Body),
    /// Another object, moved within the host.
    Content(Content),
}

impl Content {
    /// In bytes.
    #[allow(clippy::len_without_is_empty, reason = "each is a call to the host")]
    pub fn len(&self) -> u64 {
        self.0.length()
    }

    /// Copies all of it into this function's memory.
    pub fn read(self) -> Result<Vec<u8>, Error> {
        Ok(self.0.read()?.unwrap_or_default())
    }

    /// To read it piece by piece.
    pub fn into_body(self) -> Body {
        match self.0.stream() {
            Some(stream) => Body::from_stream(stream),
            None => Body::held(Vec::new()),
        }
    }

    pub(crate) fn into_host(self) -> host::Content {
        self.0
    }
}

impl From<host::Got> for Got {
    fn from(host::Got { object, size, first, content }: host::Got) -> Self {
        Self { object, size, first, content: Content(content) }
    }
}

impl From<Vec<u8>> for Source {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&[u8]> for Source {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<String> for Source {
    fn from(text: String) -> Self {
        Self::Bytes(text.into_bytes())
    }
}

impl From<&str> for Source {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

impl From<Body> for Source {
    fn from(body: Body) -> Self {
        Self::Body(body)
    }
}

impl From<Content> for Source {
    fn from(content: Content) -> Self {
        Self::Content(content)
    }
}
