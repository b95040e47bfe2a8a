//! Secrets. Values go in and never come out; a list shows their digests.
//!
//! Without the parameter `function` it is the project's secrets, byte for byte as Supabase's clients know
//! them. With it, of our own: `function=<slug>` is that function's, `function=` the project's, and, in a
//! list, `function=*` all there are; entries then say whose they are, and removing says how many there were.

use http::request::Parts;
use http::{Response, StatusCode};
use isobase_base::{Body, SecretText};
use isobase_secrets::{Scope, SecretInfo, SecretName, SecretsError, check_value};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::Management;
use crate::answer::{Refusal, created, ok};
use crate::surface::{parse_slug, query, read_json, read_secret_json};

#[derive(Deserialize)]
struct NewSecret {
    name: String,
    value: String,
}

/// Whose secrets a request is about.
enum Owner {
    /// As Supabase's clients ask, who know no other.
    Supabase,
    Scope(Scope),
    /// Everybody's.
    All,
}

impl Owner {
    fn of(parts: &Parts) -> Result<Self, Refusal> {
        Ok(match query(parts, "function").as_deref() {
            None => Self::Supabase,
            Some("") => Self::Scope(Scope::Project),
            Some("*") => Self::All,
            Some(slug) => Self::Scope(Scope::Function(parse_slug(slug)?)),
        })
    }

    /// For requests that change something.
    fn scope(self) -> Result<Scope, Refusal> {
        match self {
            Self::Supabase => Ok(Scope::Project),
            Self::Scope(scope) => Ok(scope),
            Self::All => Err(Refusal::malformed("function=* is for lists; name one function")),
        }
    }
}

impl Management {
    pub(crate) async fn list_secrets(&self, parts: &Parts) -> Result<Response<Body>, Refusal> {
        let owner = Owner::of(parts)?;
        let secrets = self.rooms.secrets.list().await?;
        let shown = secrets.iter().filter_map(|secret| match &owner {
            Owner::Supabase => (secret.scope == Scope::Project).then(|| entry(secret)),
            Owner::Scope(scope) => (secret.scope == *scope).then(|| entry_with_owner(secret)),
            Owner::All => Some(entry_with_owner(secret)),
        });
        Ok(ok(&Value::Array(shown.collect())))
    }

    /// All of them, or none.
    pub(crate) async fn set_secrets(&self, parts: &Parts, body: Body) -> Result<Response<Body>, Refusal> {
        let scope = Owner::of(parts)?.scope()?;
        let new: Vec<NewSecret> = read_secret_json(body).await?;
        let mut secrets = Vec::with_capacity(new.len());
        for NewSecret { name, value } in new {
            let name = SecretName::parse(&name).map_err(|error| Refusal::malformed(error.to_string()))?;
            check_value(&name, &value).map_err(|error| Refusal::malformed(error.to_string()))?;
            secrets.push((name, SecretText::from(value)));
        }
        self.rooms.secrets.set(&scope, &secrets).await?;
        Ok(created(&json!({})))
    }

    pub(crate) async fn unset_secrets(&self, parts: &Parts, body: Body) -> Result<Response<Body>, Refusal> {
        let owner = Owner::of(parts)?;
        let tells = !matches!(owner, Owner::Supabase);
        let names: Vec<String> = read_json(body).await?;
        let forgotten = self.rooms.secrets.unset(&owner.scope()?, &names).await?;
        Ok(ok(&if tells { json!({ "forgotten": forgotten }) } else { json!({}) }))
    }
}

fn entry(secret: &SecretInfo) -> Value {
    let updated_at = OffsetDateTime::from(secret.updated_at).format(&Rfc3339).ok();
    json!({ "name": secret.name.as_str(), "value": secret.digest, "updated_at": updated_at })
}

fn entry_with_owner(secret: &SecretInfo) -> Value {
    let mut entry = entry(secret);
    entry["function"] = match &secret.scope {
        Scope::Project => Value::Null,
        Scope::Function(slug) => slug.as_str().into(),
    };
    entry
}

impl From<SecretsError> for Refusal {
    fn from(error: SecretsError) -> Self {
        let status = match error {
            SecretsError::TooMany { .. } | SecretsError::Twice { .. } => StatusCode::BAD_REQUEST,
            SecretsError::Session(_) => StatusCode::SERVICE_UNAVAILABLE,
            SecretsError::Database(_) | SecretsError::WrongKey { .. } | SecretsError::Unreadable { .. } => {
                tracing::error!(%error, "the management API could not use the secrets");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self::new(status, error.to_string())
    }
}
