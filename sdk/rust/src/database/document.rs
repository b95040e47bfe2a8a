//! A row whose last column stays in the host.

use super::{Error, FromValue, Value, host};

/// What a statement of one row returned: values, and the last column as a body in the host.
#[derive(Debug)]
pub struct Document {
    pub head: Vec<Value>,
    /// `None` when the last column was null.
    pub body: Option<Body>,
}

impl Document {
    /// The value at `index` of the head, as a type of Rust.
    pub fn head<T: FromValue>(&self, index: usize) -> Result<T, Error> {
        let value =
            self.head.get(index).ok_or_else(|| Error::Column(format!("there is no column {index}")))?;
        T::from_value(value).ok_or_else(|| Error::mismatch::<T>(&index.to_string(), value))
    }
}

impl From<host::Document> for Document {
    fn from(document: host::Document) -> Self {
        Self { head: document.head, body: document.body.map(Body) }
    }
}

/// A value that the host holds. Answer with it ([`crate::Response::document`]) or copy it in.
#[derive(Debug)]
pub struct Body(host::Body);

impl Body {
    /// In bytes.
    #[allow(clippy::len_without_is_empty, reason = "each is a call to the host")]
    pub fn len(&self) -> u64 {
        self.0.length()
    }

    /// Copies it into this function's memory.
    pub fn read(&self) -> Vec<u8> {
        self.0.read()
    }

    pub(crate) fn into_host(self) -> host::Body {
        self.0
    }
}
