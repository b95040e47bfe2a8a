//! The table of secrets, for whoever has a session and the key.

use std::collections::BTreeSet;
use std::fmt;
use std::time::SystemTime;

use deadpool_postgres::{Pool, Transaction};
use isobase_base::limits::SECRETS_MAX;
use isobase_base::{Environments, FunctionSlug, SecretText, hex};
use sha2::{Digest, Sha256};
use tokio_postgres::Row;

use crate::seal::{Sealed, Sealer};
use crate::{RootKey, SecretName, SecretsError};

/// The row of `isobase.settings` that says which key the secrets are sealed under.
const FINGERPRINT: &str = "root_key_fingerprint";

/// Whose a secret is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Every function's.
    Project,
    Function(FunctionSlug),
}

/// What may be told about a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretInfo {
    pub scope: Scope,
    pub name: SecretName,
    /// SHA-256 of the value, in hexadecimal.
    pub digest: String,
    pub updated_at: SystemTime,
}

/// Writes, lists and reads secrets. Cheap to clone.
#[derive(Clone)]
pub struct SecretStore {
    sessions: Pool,
    sealer: Sealer,
    fingerprint: String,
}

impl SecretStore {
    /// Checks that `key` is the one that the stored secrets are sealed under. Where there are none it
    /// becomes that key.
    ///
    /// # Errors
    /// [`SecretsError::WrongKey`], or when the database does not answer.
    pub async fn open(sessions: Pool, key: &RootKey) -> Result<Self, SecretsError> {
        let store = Self { sessions, sealer: Sealer::new(key), fingerprint: key.fingerprint() };
        let mut session = store.sessions.get().await?;
        let transaction = session.transaction().await?;
        transaction
            .execute(
                "insert into isobase.settings (name, value) values ($1, $2) on conflict (name) do nothing",
                &[&FINGERPRINT, &store.fingerprint],
            )
            .await?;
        if store.stored_fingerprint(&transaction).await? != store.fingerprint {
            transaction
                .execute(
                    "update isobase.settings set value = $2 \
                     where name = $1 and not exists (select from isobase.secrets)",
                    &[&FINGERPRINT, &store.fingerprint],
                )
                .await?;
        }
        store.check_key(&transaction).await?;
        transaction.commit().await?;
        Ok(store)
    }

    /// Sets all of `secrets`, or none. Their values were checked by [`crate::check_value`].
    pub async fn set(&self, scope: &Scope, secrets: &[(SecretName, SecretText)]) -> Result<(), SecretsError> {
        let mut names = BTreeSet::new();
        if let Some((name, _)) = secrets.iter().find(|(name, _)| !names.insert(name)) {
            return Err(SecretsError::Twice { name: name.clone() });
        }
        let mut session = self.sessions.get().await?;
        let transaction = session.transaction().await?;
        // Locks out other writers, so that the count below is right.
        self.check_key(&transaction).await?;
        let function = scope.column();
        for (name, value) in secrets {
            let Sealed { nonce, ciphertext } = self.sealer.seal(function, name, value.expose());
            transaction
                .execute(
                    "insert into isobase.secrets (function, name, nonce, ciphertext) values ($1, $2, $3, $4) \
                     on conflict (function, name) do update \
                     set nonce = excluded.nonce, ciphertext = excluded.ciphertext, updated_at = now()",
                    &[&function, &name.as_str(), &nonce, &ciphertext],
                )
                .await?;
        }
        let count: i64 = transaction
            .query_one("select count(*) from isobase.secrets where function = $1", &[&function])
            .await?
            .get(0);
        if usize::try_from(count).is_ok_and(|count| count > SECRETS_MAX) {
            return Err(SecretsError::TooMany { owner: scope.to_string() });
        }
        Ok(transaction.commit().await?)
    }

    /// Forgets secrets; those that are not there are forgotten already. Returns how many were.
    pub async fn unset(&self, scope: &Scope, names: &[String]) -> Result<u64, SecretsError> {
        let session = self.sessions.get().await?;
        let sql = "delete from isobase.secrets where function = $1 and name = any($2)";
        Ok(session.execute(sql, &[&scope.column(), &names]).await?)
    }

    /// All secrets, the project's first, by name.
    pub async fn list(&self) -> Result<Vec<SecretInfo>, SecretsError> {
        let mut infos = Vec::new();
        for row in self.rows().await? {
            let (Some(scope), Ok(name)) = (row.scope(), SecretName::parse(&row.name)) else { continue };
            let value = self.sealer.open(&row.function, &row.name, &row.sealed);
            let value = value.ok_or_else(|| row.unreadable())?;
            let digest = hex(&Sha256::digest(value.as_bytes()));
            infos.push(SecretInfo { scope, name, digest, updated_at: row.updated_at });
        }
        Ok(infos)
    }

    /// What functions see. A secret that cannot be decrypted is told to the log and left out: the
    /// others are needed all the same.
    pub async fn environments(&self) -> Result<Environments, SecretsError> {
        let mut environments = Environments::default();
        for row in self.rows().await? {
            let Some(scope) = row.scope() else { continue };
            let Some(value) = self.sealer.open(&row.function, &row.name, &row.sealed) else {
                tracing::error!("{}", row.unreadable());
                continue;
            };
            let variables = match scope {
                Scope::Project => &mut environments.project,
                Scope::Function(slug) => environments.functions.entry(slug).or_default(),
            };
            variables.insert(row.name, value);
        }
        Ok(environments)
    }

    async fn rows(&self) -> Result<Vec<SecretRow>, SecretsError> {
        let session = self.sessions.get().await?;
        let sql = "select function, name, nonce, ciphertext, updated_at from isobase.secrets \
                   order by function, name";
        Ok(session.query(sql, &[]).await?.into_iter().map(SecretRow::from).collect())
    }

    /// Another node, with another key, may have come first since this one started.
    async fn check_key(&self, transaction: &Transaction<'_>) -> Result<(), SecretsError> {
        let stored = self.stored_fingerprint(transaction).await?;
        if stored == self.fingerprint {
            return Ok(());
        }
        Err(SecretsError::WrongKey { stored, given: self.fingerprint.clone() })
    }

    async fn stored_fingerprint(&self, transaction: &Transaction<'_>) -> Result<String, SecretsError> {
        let sql = "select value from isobase.settings where name = $1 for update";
        Ok(transaction.query_one(sql, &[&FINGERPRINT]).await?.get(0))
    }
}

impl Scope {
    /// As the table has it.
    fn column(&self) -> &str {
        match self {
            Self::Project => "",
            Self::Function(slug) => slug.as_str(),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Project => formatter.write_str("the project"),
            Self::Function(slug) => write!(formatter, "function {slug}"),
        }
    }
}

struct SecretRow {
    function: String,
    name: String,
    sealed: Sealed,
    updated_at: SystemTime,
}

impl From<Row> for SecretRow {
    fn from(row: Row) -> Self {
        let sealed = Sealed { nonce: row.get(2), ciphertext: row.get(3) };
        Self { function: row.get(0), name: row.get(1), sealed, updated_at: row.get(4) }
    }
}

impl SecretRow {
    /// `None` for a row that somebody wrote by hand under no function's name.
    fn scope(&self) -> Option<Scope> {
        if self.function.is_empty() {
            return Some(Scope::Project);
        }
        FunctionSlug::parse(&self.function).ok().map(Scope::Function)
    }

    fn unreadable(&self) -> SecretsError {
        let owner = self.scope().map_or_else(String::new, |scope| scope.to_string());
        SecretsError::Unreadable { name: self.name.clone(), owner }
    }
}
