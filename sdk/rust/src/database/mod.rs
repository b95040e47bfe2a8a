//! SQL as the caller of the request.
//!
//! Every statement runs in a transaction that has switched to the caller's role and carries the
//! token's claims, so row level security decides what it sees and may change. The free functions
//! of this module use [`Session::caller`]; a [`Session`] of your own sets more.
//!
//! ```
//! use isobase_sdk::database::{self, Error, Session};
//!
//! fn rename(id: i64, title: &str) -> Result<u64, Error> {
//!     let session = Session::caller().setting("app.reason", "rename");
//!     Ok(session.query("update todos set title = $2 where id = $1", (id, title))?.affected)
//! }
//!
//! fn move_all(from: i64, to: i64) -> Result<(), Error> {
//!     let transaction = database::begin();
//!     transaction.query("update todos set list = $2 where list = $1", (from, to))?;
//!     transaction.query("delete from lists where id = $1", (from,))?;
//!     transaction.commit() // dropped without, everything is rolled back
//! }
//! ```

mod document;
mod error;
mod parameters;
mod rows;
mod session;
mod stream;
mod transaction;

pub use crate::bindings::isobase::host::database::{Column, Exhaustion, Parameter, SqlError, Value};
pub use document::{Body, Document, Lines};
pub use error::Error;
pub use parameters::IntoParameters;
pub use rows::{ColumnIndex, FromValue, Row, Table};
pub use session::Session;
pub use stream::RowStream;
pub use transaction::Transaction;

use crate::bindings::isobase::host::database as host;

/// Runs one statement in its own transaction and returns after the commit.
pub fn query(sql: impl Into<String>, parameters: impl IntoParameters) -> Result<Table, Error> {
    Session::caller().query(sql, parameters)
}

/// Like [`query`] for a statement of exactly one row, whose last column stays in the host and can
/// be answered with: [`crate::Response::document`].
pub fn query_document(sql: impl Into<String>, parameters: impl IntoParameters) -> Result<Document, Error> {
    Session::caller().query_document(sql, parameters)
}

/// Like [`query_document`] for any number of rows, whose last columns, one after another, are the body.
pub fn query_lines(sql: impl Into<String>, parameters: impl IntoParameters) -> Result<Lines, Error> {
    Session::caller().query_lines(sql, parameters)
}

/// Statements one after another in one transaction and one network flush; the first row of each.
///
/// ```
/// # use isobase_sdk::database::{Error, query_documents};
/// # fn example() -> Result<(), Error> {
/// query_documents([
///     ("update accounts set balance = balance - $2 where id = $1", ["1", "100"]),
///     ("update accounts set balance = balance + $2 where id = $1", ["2", "100"]),
/// ])?;
/// # Ok(()) }
/// ```
pub fn query_documents<S: Into<String>, P: IntoParameters>(
    statements: impl IntoIterator<Item = (S, P)>,
) -> Result<Vec<Document>, Error> {
    Session::caller().query_documents(statements)
}

/// Rows as they arrive, for results too large to hold.
pub fn stream(sql: impl Into<String>, parameters: impl IntoParameters) -> Result<RowStream, Error> {
    Session::caller().stream(sql, parameters)
}

/// Several statements, all or nothing.
pub fn begin() -> Transaction {
    Session::caller().begin()
}

/// How often `channel` was notified since the host started, plus one for each time the listening
/// connection was made anew. Cheap: compare it to know whether a cache is still good.
pub fn generation(channel: &str) -> u64 {
    host::generation(channel)
}

/// A text that the host keeps until a channel is notified.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Compare with [`generation`] of the same channel.
    pub generation: u64,
    pub text: String,
}

/// The first column of the first row of `sql`, run as `service_role` and kept by the host until
/// `channel` is notified. While a new one is being read the old one is served. Needs the database
/// grant `service`.
pub fn snapshot(channel: &str, sql: &str) -> Result<Snapshot, Error> {
    Ok(host::snapshot(channel, sql)?.into())
}

/// Like [`snapshot`], for who has the text of generation `known`: `None` while the host has no other.
pub fn newer_snapshot(channel: &str, sql: &str, known: u64) -> Result<Option<Snapshot>, Error> {
    Ok(host::newer_snapshot(channel, sql, known)?.map(Into::into))
}

impl From<host::VersionedText> for Snapshot {
    fn from(host::VersionedText { generation, text }: host::VersionedText) -> Self {
        Self { generation, text }
    }
}
