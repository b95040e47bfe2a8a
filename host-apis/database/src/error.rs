//! What can go wrong between a guest and Postgres. The cases are those of the guest contract.

use std::fmt;

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::ErrorResponseBody;

/// Why a statement has no result.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Postgres reported it.
    #[error("{0}")]
    Sql(Box<SqlError>),
    /// No connection: the wait for one was too long (504), or too many wait already (503).
    #[error("no database connection is free: {0}")]
    Exhausted(Exhaustion),
    /// The server cannot be reached or went away: 503.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The request's deadline, or the statement's bound set by the host or the session: 504.
    #[error("the database did not answer in time")]
    TimedOut,
    /// The call itself is wrong; the text says what and is meant for the function's author.
    #[error("{0}")]
    Refused(String),
    /// The request's body broke off or is too long. Made by the bindings, which collect it.
    #[error("the request's body could not be bound: {0}")]
    Body(String),
}

/// Which bound of the pool was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhaustion {
    WaitOver,
    QueueFull,
}

impl fmt::Display for Exhaustion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::WaitOver => "the wait was over its bound",
            Self::QueueFull => "too many already wait",
        })
    }
}

/// An error as Postgres reported it (protocol message `ErrorResponse`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SqlError {
    /// Five characters, e.g. `42501`.
    pub sqlstate: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    pub constraint: Option<String>,
    /// 1-based, in characters of the statement.
    pub position: Option<u32>,
}

impl fmt::Display for SqlError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (SQLSTATE {})", self.message, self.sqlstate)
    }
}

impl std::error::Error for SqlError {}

impl From<SqlError> for Error {
    fn from(error: SqlError) -> Self {
        Self::Sql(Box::new(error))
    }
}

/// A report of the server and whether it ended the session.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) error: SqlError,
    /// Severity FATAL or PANIC: the connection is gone.
    pub(crate) fatal: bool,
}

impl Report {
    /// Reads the fields of an `ErrorResponse`; unknown ones are skipped, as the protocol demands.
    pub(crate) fn read(body: &ErrorResponseBody) -> Self {
        let mut error = SqlError::default();
        let mut fatal = false;
        let mut fields = body.fields();
        while let Ok(Some(field)) = fields.next() {
            let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                // 'V' is the severity in English whatever the server's language is.
                b'V' => fatal = value == "FATAL" || value == "PANIC",
                b'C' => error.sqlstate = value,
                b'M' => error.message = value,
                b'D' => error.detail = Some(value),
                b'H' => error.hint = Some(value),
                b'n' => error.constraint = Some(value),
                b'P' => error.position = value.parse().ok(),
                _ => {}
            }
        }
        Self { error, fatal }
    }
}
