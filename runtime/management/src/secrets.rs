//! Secrets of the project. Values go in and never come out; a list shows their digests.

use http::Response;
use isobase_base::{Body, SecretText};
use isobase_secrets::{Scope, SecretName, SecretsError, check_value};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::Management;
use crate::answer::{Refusal, created, ok};

#[derive(Deserialize)]
pub(crate) struct NewSecret {
    name: String,
    value: String,
}

impl Management {
    pub(crate) async fn list_secrets(&self) -> Result<Response<Body>, Refusal> {
        let secrets = self.secrets.list().await?;
        let of_project = secrets.iter().filter(|secret| secret.scope == Scope::Project);
        let shown = of_project.map(|secret| {
            let updated_at = OffsetDateTime::from(secret.updated_at).format(&Rfc3339).ok();
            json!({ "name": secret.name.as_str(), "value": secret.digest, "updated_at": updated_at })
        });
        Ok(ok(&Value::Array(shown.collect())))
    }

    /// All of them, or none.
    pub(crate) async fn set_secrets(&self, new: Vec<NewSecret>) -> Result<Response<Body>, Refusal> {
        let mut secrets = Vec::with_capacity(new.len());
        for NewSecret { name, value } in new {
            let name = SecretName::parse(&name).map_err(|error| Refusal::malformed(error.to_string()))?;
            check_value(&name, &value).map_err(|error| Refusal::malformed(error.to_string()))?;
            secrets.push((name, SecretText::from(value)));
        }
        self.secrets.set(&Scope::Project, &secrets).await?;
        Ok(created(&json!({})))
    }

    pub(crate) async fn unset_secrets(&self, names: Vec<String>) -> Result<Response<Body>, Refusal> {
        self.secrets.unset(&Scope::Project, &names).await?;
        Ok(ok(&json!({})))
    }
}

impl From<SecretsError> for Refusal {
    fn from(error: SecretsError) -> Self {
        use http::StatusCode;
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
