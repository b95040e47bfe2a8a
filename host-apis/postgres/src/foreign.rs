//! A Postgres that somebody else runs: what `--db-url` names.
//!
//! The host needs a log-in that may switch to the roles of requests and to nothing else, and one that
//! may not even become `service_role`. A foreign database may have an `authenticator` already, whose
//! password belongs to whoever else uses it, so the host keeps a role of its own there.

use std::fmt::Write;

use postgres_protocol::password::scram_sha_256;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::connect::{self, ConnectError};
use crate::schema::{BaseSchema, CALLER, RolePasswords};
use crate::secret;

/// The role that the host logs in as on a foreign server.
const AUTHENTICATOR: &str = "isobase_authenticator";

/// Makes the role, or brings an older one up to date.
const PREPARE: &str = "
do $$ begin
    if not exists (select from pg_roles where rolname = 'isobase_authenticator') then
        create role isobase_authenticator login noinherit;
    end if;
end $$;
grant anon, authenticated, service_role to isobase_authenticator;
alter role isobase_authenticator set statement_timeout = '8s';
alter role isobase_authenticator set lock_timeout = '8s';";

/// Why there is no log-in for requests.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the database URL has no password; the host derives the one of its own role from it, so add one")]
    NoPassword,
    #[error("cannot make role {AUTHENTICATOR}; the user of the database URL must be allowed to create roles")]
    Prepare(#[source] tokio_postgres::Error),
}

/// The base schema as it is applied there: no password of another role is touched.
pub fn base_schema(auto_expose: bool) -> BaseSchema {
    BaseSchema { auto_expose, passwords: RolePasswords::default() }
}

/// Addresses in libpq's `key=value` form. Not printable: they hold passwords.
pub struct Logins {
    /// May become any role of a request.
    pub authenticator: String,
    /// May become `anon` and `authenticated` only.
    pub caller: String,
}

/// Prepares the host's roles on the server of `owner_url`, which has the base schema, and returns how
/// to log in as them. Their passwords follow from the owner's, so that several hosts on one database
/// agree without a place to keep them.
pub async fn prepare(owner_url: &str) -> Result<Logins, ForeignError> {
    let session = connect::open(owner_url).await?;
    let owner: Config = owner_url.parse().map_err(|error| ConnectError::Url(std::sync::Arc::new(error)))?;
    let secret = owner.get_password().ok_or(ForeignError::NoPassword)?;
    session.client.batch_execute(PREPARE).await.map_err(ForeignError::Prepare)?;
    let log_in = async |role: &str| {
        let password = secret::derived(role, secret);
        // Hashed here: neither the wire nor the server's log ever holds the password.
        let hash = scram_sha_256(password.as_bytes());
        let set_password = format!("alter role {role} password '{hash}'");
        session.client.batch_execute(&set_password).await.map_err(ForeignError::Prepare)?;
        Ok::<_, ForeignError>(address(&owner, role, &password))
    };
    Ok(Logins { authenticator: log_in(AUTHENTICATOR).await?, caller: log_in(CALLER).await? })
}

fn address(owner: &Config, role: &str, password: &str) -> String {
    let hosts: Vec<_> = owner
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(folder) => folder.display().to_string(),
        })
        .collect();
    let ports: Vec<_> = owner.get_ports().iter().map(u16::to_string).collect();
    let database = owner.get_dbname().or(owner.get_user()).unwrap_or("postgres");
    let mut text = format!("user={role} password={password} dbname={}", quoted(database));
    for (key, values) in [("host", hosts), ("port", ports)] {
        if !values.is_empty() {
            write!(text, " {key}={}", quoted(&values.join(","))).expect("writing to a string cannot fail");
        }
    }
    text
}

/// A value of libpq's `key=value` form.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::{AUTHENTICATOR, address};

    #[test]
    fn the_address_keeps_the_server_and_changes_the_user() {
        let owner = "postgresql://owner:secret@db.example:6432/it's".parse().unwrap();
        let text = address(&owner, AUTHENTICATOR, "derived");
        let read: tokio_postgres::Config = text.parse().unwrap();
        assert_eq!(read.get_user(), Some("isobase_authenticator"));
        assert_eq!(read.get_dbname(), Some("it's"));
        assert_eq!(read.get_ports(), [6432]);
        assert_ne!(read.get_password(), owner.get_password());
    }
}
