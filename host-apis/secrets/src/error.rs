//! Why secrets could not be read or written.

use isobase_base::limits::SECRETS_MAX;

use crate::SecretName;

/// Never holds a value.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    #[error("no session with the database: {0}")]
    Session(#[from] deadpool_postgres::PoolError),
    #[error("the database refused: {}", told(.0))]
    Database(#[from] tokio_postgres::Error),
    #[error(
        "the secrets in this database are encrypted under another root key (fingerprint {stored}; this one has \
         {given}): give the right one as ISOBASE_ROOT_KEY, as root_key under [db] in config.toml, or as the file \
         .isobase/root.key. To give the secrets up instead, run: delete from isobase.secrets"
    )]
    WrongKey { stored: String, given: String },
    #[error(
        "secret {name} of {owner} cannot be decrypted: its row was changed by hand or copied from another"
    )]
    Unreadable { name: String, owner: String },
    #[error("{owner} has {SECRETS_MAX} secrets already; unset some first")]
    TooMany { owner: String },
    #[error("secret {name} was given twice")]
    Twice { name: SecretName },
}

/// What Postgres said; the driver's own words say only that it said something.
fn told(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |told| told.message().to_owned())
}
