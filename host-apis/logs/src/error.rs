//! Why the log could not be written or read.

use tokio_postgres::error::SqlState;

#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    #[error("no session with the database: {0}")]
    Session(#[from] deadpool_postgres::PoolError),
    #[error("the database refused: {}", told(.0))]
    Database(#[from] tokio_postgres::Error),
}

impl LogsError {
    /// Reading took longer than it may.
    pub fn is_too_slow(&self) -> bool {
        matches!(self, Self::Database(error) if error.code() == Some(&SqlState::QUERY_CANCELED))
    }

    /// Whether the same may succeed later: the fault is not in what was sent.
    pub(crate) fn may_retry(&self) -> bool {
        match self {
            Self::Session(_) => true,
            Self::Database(error) => match error.code() {
                // Data exceptions and broken constraints stay what they are.
                Some(code) => !(code.code().starts_with("22") || code.code().starts_with("23")),
                None => true,
            },
        }
    }

    /// A day has no table: somebody dropped it.
    pub(crate) fn is_missing_day(&self) -> bool {
        matches!(self, Self::Database(error) if error.code() == Some(&SqlState::CHECK_VIOLATION))
    }
}

/// What Postgres said; the driver's own words say only that it said something.
fn told(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |told| told.message().to_owned())
}
