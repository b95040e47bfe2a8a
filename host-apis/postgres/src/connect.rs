//! One session for schema work: opened with a bound on the wait, its connection driven by a named
//! task, the server's warnings kept for whoever reports to a person.
//!
//! Requests never come here; they have a pool of their own in `host-apis/database`.

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::poll_fn;
use isobase_base::limits::POSTGRES_CONNECT_TIMEOUT;
use isobase_base::task::{self, TaskKind};
use tokio::task::JoinHandle;
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};

/// Warnings kept between two calls of [`Session::warnings`]; a statement in a loop can make any
/// number of them.
const WARNINGS_MAX: usize = 20;

/// A database that could not be reached. The URL is never part of the text: it holds a password.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(
        "the database URL cannot be read; it must look like postgresql://user:password@host:port/database"
    )]
    Url(#[source] Arc<tokio_postgres::Error>),
    #[error("cannot connect to Postgres at {place}")]
    Refused { place: String, source: Arc<tokio_postgres::Error> },
    #[error("Postgres at {place} did not answer within {} seconds", POSTGRES_CONNECT_TIMEOUT.as_secs())]
    TimedOut { place: String },
}

impl ConnectError {
    /// The SQLSTATE the server refused with, if it answered at all.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { source, .. } => source.code().map(|code| code.code()),
            Self::Url(_) | Self::TimedOut { .. } => None,
        }
    }

    /// What the server or the socket said, on one line.
    pub(crate) fn answer(&self) -> String {
        match self {
            Self::Refused { source, .. } => match source.as_db_error() {
                Some(said) => said.message().to_owned(),
                None => source.to_string(),
            },
            Self::Url(_) | Self::TimedOut { .. } => self.to_string(),
        }
    }
}

/// An open session. Dropping it closes the connection.
pub(crate) struct Session {
    pub(crate) client: Client,
    warnings: Arc<Mutex<Vec<String>>>,
    driver: JoinHandle<()>,
}

impl Session {
    /// What the server has warned of since the last call.
    pub(crate) fn warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Connects with `url`, a libpq-style URL or key-value string.
pub(crate) async fn open(url: &str) -> Result<Session, ConnectError> {
    let config: Config = url.parse().map_err(|error| ConnectError::Url(Arc::new(error)))?;
    let place = place(&config);
    let connecting = tokio::time::timeout(POSTGRES_CONNECT_TIMEOUT, config.connect(NoTls)).await;
    let (client, mut connection) = match connecting {
        Err(_elapsed) => return Err(ConnectError::TimedOut { place }),
        Ok(Err(error)) => return Err(ConnectError::Refused { place, source: Arc::new(error) }),
        Ok(Ok(connected)) => connected,
    };
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let heard = warnings.clone();
    let driver = task::spawn(TaskKind::Request, "schema session", async move {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            match message {
                Ok(AsyncMessage::Notice(notice)) => keep(&notice, &heard),
                Ok(_other) => {}
                Err(error) => {
                    tracing::debug!(%error, "schema session ended");
                    break;
                }
            }
        }
    });
    Ok(Session { client, warnings, driver })
}

fn keep(notice: &DbError, warnings: &Mutex<Vec<String>>) {
    let text = format!("{}: {}", notice.severity(), notice.message());
    tracing::debug!(target: "isobase::postgres::notice", "{text}");
    if notice.parsed_severity() == Some(Severity::Warning) {
        let mut warnings = warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.len() < WARNINGS_MAX {
            warnings.push(text);
        }
    }
}

/// Host, port and database for a person to read, without the password.
fn place(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(tokio_postgres::config::Host::Tcp(name)) => name.clone(),
        #[cfg(unix)]
        Some(tokio_postgres::config::Host::Unix(path)) => path.display().to_string(),
        None => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let database = config.get_dbname().or(config.get_user()).unwrap_or("postgres");
    format!("{host}:{port}, database {database}")
}
