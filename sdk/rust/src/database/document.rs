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

/// What a statement of any number of rows returned.
#[derive(Debug)]
pub struct Lines {
    /// All columns of the first row but the last; empty where there was no row.
    pub head: Vec<Value>,
    /// The last columns of all rows, one after another; `None` where there was no row.
    pub body: Option<Body>,
    /// Known where all rows had come before anything was handed out.
    pub rows: Option<u64>,
}

impl From<host::Lines> for Lines {
    fn from(lines: host::Lines) -> Self {
        Self { head: lines.head, body: lines.body.map(Body), rows: lines.rows }
    }
}

/// A value that the host holds, or a long one that is still on its way to it. Answer with it ([`crate::Response::document`]) or copy it in.
#[derive(Debug)]
pub struct Body(host::Body);

impl Body {
    /// In bytes; zero for lines that are still coming.
    #[allow(clippy::len_without_is_empty, reason = "each is a call to the host")]
    pub fn len(&self) -> u64 {
        self.0.length()
    }

    /// Copies it into this function's memory. Ends the invocation where the value breaks off.
    pub fn read(&self) -> Vec<u8> {
        self.0.read()
    }

    pub(crate) fn into_host(self) -> host::Body {
        self.0
    }
}
