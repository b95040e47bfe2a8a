//! Why the base schema could not be brought up to date.

use tokio_postgres::error::SqlState;

use crate::ConnectError;

#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the server is Postgres {version}; 15 or newer is needed")]
    TooOld { version: String },
    /// An applied file differs from the one in this program.
    #[error(
        "base schema migration {version} ({name}) was changed after it was applied to this database; \
         run the isobase version that applied it, or a released one"
    )]
    Changed { version: i32, name: String },
    /// The database has files that this program does not know.
    #[error(
        "this database was set up by a newer isobase (base schema {version}, this program knows {known}); \
         upgrade isobase"
    )]
    Newer { version: i32, known: i32 },
    /// The login role lacks a right.
    #[error(
        "{user} may not prepare this database (base schema `{name}`): {message}. Start once with the URL \
         of a superuser; afterwards {user} is enough"
    )]
    Denied { user: String, name: String, message: String },
    /// Another host has held the schema lock for too long.
    #[error("another isobase is changing the schema of this database and did not finish in time; try again")]
    Locked,
    #[error("base schema `{name}` failed: {message} (SQLSTATE {code})")]
    Failed { name: String, code: String, message: String, source: tokio_postgres::Error },
    #[error("the database failed while its schema was prepared")]
    Database(#[source] tokio_postgres::Error),
}

impl SchemaError {
    pub(super) fn of_migration(name: &str, user: &str, error: tokio_postgres::Error) -> Self {
        let Some(said) = error.as_db_error() else { return Self::Database(error) };
        let (name, message) = (name.to_owned(), said.message().to_owned());
        if *said.code() == SqlState::INSUFFICIENT_PRIVILEGE {
            return Self::Denied { user: user.to_owned(), name, message };
        }
        Self::Failed { name, code: said.code().code().to_owned(), message, source: error }
    }
}

impl From<tokio_postgres::Error> for SchemaError {
    fn from(error: tokio_postgres::Error) -> Self {
        if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) { Self::Locked } else { Self::Database(error) }
    }
}
