//! Secrets: variables of functions whose values nobody but those functions may see.
//!
//! They lie in Postgres, sealed with AES-256-GCM under a key that does not: [`RootKey`]. A dump of the
//! database, a backup, a curious `select` show names and ciphertext. Function and name are part of
//! what the seal covers, so that a row cannot be passed off as another.
//!
//! [`SecretStore`] writes and lists them for the Management API. [`LiveSecrets`] is what functions see: it
//! follows the table by `NOTIFY`, so that every node gives its functions a changed secret within a moment,
//! without a deploy.
//!
//! Values never reach a log, an error or a `Debug`; lists show their SHA-256 digests, as Supabase's do.

mod error;
mod live;
mod name;
mod root_key;
mod seal;
mod store;

pub use error::SecretsError;
pub use live::LiveSecrets;
pub use name::{InvalidSecret, SecretName, check_value};
pub use root_key::{RootKey, RootKeyError, RootKeySources};
pub use store::{Scope, SecretInfo, SecretStore};

/// What `NOTIFY` is sent on when a secret changed: what [`LiveSecrets`] is given a receiver of.
pub const CHANNEL: &str = "isobase_secrets";
