//! Where the database is and how much of it may be used.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use isobase_base::limits;
use tokio_postgres::config::{Host, SslMode};

use crate::timeout::statement_timeout_text;
use crate::wire::{Address, Login};

/// Postgres' own default.
const PORT: u16 = 5432;

/// How to reach the database. The bounds begin as those in [`isobase_base::limits`].
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    pub(crate) login: Login,
    /// For statements that functions write themselves.
    pub(crate) caller_login: Option<Login>,
    /// Of each log-in.
    pub connections_max: usize,
    pub waiters_max: usize,
    pub acquire_timeout: Duration,
    /// A statement's run time where role and session set none.
    pub statement_timeout: Duration,
    pub statements_per_connection_max: NonZeroUsize,
    /// A connection is replaced after this.
    pub connection_age_max: Duration,
    /// Where long results wait for slow clients, in files without names. Made when it is needed.
    pub spill_folder: PathBuf,
}

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address cannot be used; the text says what to change.
    #[error("the database address is not usable: {0}")]
    Config(String),
    /// The server did not take the first connection.
    #[error("{0}")]
    Connect(String),
}

impl DatabaseConfig {
    /// From `postgres://user:password@host:port/database` or libpq's `key=value` form; for a Unix
    /// socket the host is its folder (`?host=/run/postgresql`, or percent-encoded in its place).
    ///
    /// The user must be a role that may switch to those of requests and to nothing else:
    /// Supabase's `authenticator`. TLS is not spoken yet, so `sslmode=require` is refused.
    pub fn from_url(url: &str) -> Result<Self, OpenError> {
        Ok(Self {
            login: login(url)?,
            caller_login: None,
            connections_max: limits::DATABASE_CONNECTIONS_MAX,
            waiters_max: limits::DATABASE_WAITERS_MAX,
            acquire_timeout: limits::DATABASE_ACQUIRE_TIMEOUT,
            statement_timeout: limits::DATABASE_STATEMENT_TIMEOUT,
            statements_per_connection_max: NonZeroUsize::new(limits::DATABASE_STATEMENTS_PER_CONNECTION_MAX)
                .unwrap_or(NonZeroUsize::MIN),
            connection_age_max: limits::DATABASE_CONNECTION_AGE_MAX,
            spill_folder: std::env::temp_dir(),
        })
    }

    /// A log-in of its own for ordinary callers (`anon`, `authenticated`) of functions that are not
    /// granted `service_role`: one that cannot become it, so that no SQL of theirs can. Without this,
    /// only the screening of statements keeps them from it.
    pub fn callers_from_url(self, url: &str) -> Result<Self, OpenError> {
        Ok(Self { caller_login: Some(login(url)?), ..self })
    }

    /// The log-in with the settings that every session begins with. Those which decide how values
    /// are written are fixed, whatever role or database say.
    pub(crate) fn session_login(&self, login: &Login) -> Login {
        let settings = vec![
            ("client_encoding", "UTF8".to_owned()),
            ("application_name", "isobase".to_owned()),
            ("bytea_output", "hex".to_owned()),
            ("extra_float_digits", "1".to_owned()),
            ("statement_timeout", statement_timeout_text(self.statement_timeout)),
        ];
        Login { settings, ..login.clone() }
    }
}

fn login(url: &str) -> Result<Login, OpenError> {
    let parsed = tokio_postgres::Config::from_str(url).map_err(|error| {
        let source =
            std::error::Error::source(&error).map_or_else(String::new, |source| format!(": {source}"));
        OpenError::Config(format!("{error}{source}"))
    })?;
    if parsed.get_ssl_mode() == SslMode::Require {
        return Err(OpenError::Config("sslmode=require needs TLS, which is not supported yet".to_owned()));
    }
    let user = parsed.get_user().ok_or_else(|| OpenError::Config("it names no user".to_owned()))?;
    let addresses = addresses(&parsed);
    if addresses.is_empty() {
        return Err(OpenError::Config("it names no host".to_owned()));
    }
    Ok(Login {
        addresses,
        user: user.to_owned(),
        password: parsed.get_password().map(<[u8]>::to_vec),
        database: parsed.get_dbname().unwrap_or(user).to_owned(),
        settings: Vec::new(),
    })
}

fn addresses(parsed: &tokio_postgres::Config) -> Vec<Address> {
    let ports = parsed.get_ports();
    let port = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(PORT);
    let of_host = |(index, host): (usize, &Host)| match host {
        Host::Tcp(host) => Address::Tcp { host: host.clone(), port: port(index) },
        Host::Unix(folder) => Address::unix(folder, port(index)),
    };
    if parsed.get_hosts().is_empty() {
        let of_ip = |(index, ip): (usize, &std::net::IpAddr)| Address::Tcp {
            host: ip.to_string(),
            port: port(index),
        };
        return parsed.get_hostaddrs().iter().enumerate().map(of_ip).collect();
    }
    parsed.get_hosts().iter().enumerate().map(of_host).collect()
}

#[cfg(test)]
mod tests {
    use super::DatabaseConfig;

    fn read(url: &str) -> String {
        match DatabaseConfig::from_url(url) {
            Ok(config) => {
                let places: Vec<String> = config.login.addresses.iter().map(ToString::to_string).collect();
                format!("{}@{}/{}", config.login.user, places.join(","), config.login.database)
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn urls_name_server_user_and_database() {
        for (url, expect) in [
            ("postgres://authenticator:x@localhost:54322/postgres", "authenticator@localhost:54322/postgres"),
            ("postgresql://a@db/", "a@db:5432/a"),
            ("postgres://a@%2Frun%2Fpg:5433/d", "a@/run/pg/.s.PGSQL.5433/d"),
            ("postgres:///d?host=/run/pg&user=a", "a@/run/pg/.s.PGSQL.5432/d"),
            ("host=one,two port=1,2 user=a dbname=d", "a@one:1,two:2/d"),
            ("postgres://localhost/d", "the database address is not usable: it names no user"),
            ("postgres://a@/d", "the database address is not usable: it names no host"),
            (
                "postgres://a@h/d?sslmode=require",
                "the database address is not usable: sslmode=require needs TLS, which is not supported yet",
            ),
        ] {
            assert_eq!(read(url), expect, "{url}");
        }
    }

    #[test]
    fn passwords_are_never_printed() {
        let config = DatabaseConfig::from_url("postgres://a:hunter2@h/d").unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
