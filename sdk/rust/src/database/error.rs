//! Why a call of the database failed.

use std::fmt;

use super::{Exhaustion, SqlError, Value, host};

/// A failed statement. Everything its transaction did is undone.
#[derive(Clone, Debug)]
pub enum Error {
    /// Postgres said no: see [`Error::sqlstate`].
    Sql(Box<SqlError>),
    /// No connection became free in time, or too many wait already. Worth a retry.
    Exhausted(Exhaustion),
    /// The server cannot be reached or went away. Worth a retry if the statement may run twice.
    Unavailable(String),
    /// The request's deadline or the statement's timeout has passed.
    TimedOut,
    /// The call itself is wrong: a forbidden setting, an identity that is not granted, ….
    Refused(String),
    /// The request's body broke off or is longer than its bound.
    Body(String),
    /// The result has no such column, or the column is not of the type asked for.
    Column(String),
}

impl Error {
    /// The five characters of Postgres' error code, when it was Postgres that refused.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Sql(error) => Some(&error.sqlstate),
            _ => None,
        }
    }

    pub(super) fn mismatch<T>(column: &str, value: &Value) -> Self {
        let wanted = std::any::type_name::<T>();
        Self::Column(format!("column {column:?} holds {}, which is no {wanted}", kind(value)))
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Boolean(_) => "a boolean",
        Value::Int32(_) => "an int4",
        Value::Int64(_) => "an int8",
        Value::Float64(_) => "a float8",
        Value::Text(_) => "text",
        Value::Bytes(_) => "a bytea",
        Value::Json(_) => "json",
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sql(error) => write!(formatter, "{} ({})", error.message, error.sqlstate),
            Self::Exhausted(_) => formatter.write_str("no database connection became free"),
            Self::Unavailable(why) => write!(formatter, "the database is not available: {why}"),
            Self::TimedOut => formatter.write_str("the statement took too long"),
            Self::Refused(why) => write!(formatter, "the host refused the call: {why}"),
            Self::Body(why) => write!(formatter, "the request's body broke off: {why}"),
            Self::Column(why) => formatter.write_str(why),
        }
    }
}

impl std::error::Error for Error {}

impl From<host::Error> for Error {
    fn from(error: host::Error) -> Self {
        match error {
            host::Error::Sql(error) => Self::Sql(Box::new(error)),
            host::Error::Exhausted(exhaustion) => Self::Exhausted(exhaustion),
            host::Error::Unavailable(why) => Self::Unavailable(why),
            host::Error::TimedOut => Self::TimedOut,
            host::Error::Refused(why) => Self::Refused(why),
            host::Error::Body(why) => Self::Body(why),
        }
    }
}
