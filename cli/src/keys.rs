//! The project's keys: what `config.toml` sets, else the well-known local ones.

use isobase_base::project::Settings;
use isobase_gateway::keys;

use crate::{BadConfig, well_known};

/// Everything a client can present and what verifies it.
pub(crate) struct ProjectKeys {
    pub(crate) jwt_secret: String,
    pub(crate) anon_key: String,
    pub(crate) service_role_key: String,
    pub(crate) publishable_key: String,
    pub(crate) secret_key: String,
}

/// RFC 7518 §3.2 wants as many bits as the hash has; the Supabase CLI accepts less than we do.
const JWT_SECRET_BYTES_MIN: usize = 32;

impl ProjectKeys {
    pub(crate) fn of(settings: &Settings) -> anyhow::Result<Self> {
        let auth = &settings.auth;
        let jwt_secret = auth.jwt_secret.clone().unwrap_or_else(|| well_known::JWT_SECRET.into());
        if jwt_secret.len() < JWT_SECRET_BYTES_MIN {
            return Err(anyhow::anyhow!(
                "auth.jwt_secret in supabase/config.toml has {} characters; HS256 needs at least {JWT_SECRET_BYTES_MIN}",
                jwt_secret.len()
            )
            .context(BadConfig));
        }
        let legacy =
            |role: &str, given: &Option<String>| given.clone().unwrap_or_else(|| sign(&jwt_secret, role));
        Ok(Self {
            anon_key: legacy("anon", &auth.anon_key),
            service_role_key: legacy("service_role", &auth.service_role_key),
            publishable_key: auth
                .publishable_key
                .clone()
                .unwrap_or_else(|| well_known::PUBLISHABLE_KEY.into()),
            secret_key: auth.secret_key.clone().unwrap_or_else(|| well_known::SECRET_KEY.into()),
            jwt_secret,
        })
    }
}

/// A key of the legacy form: members in the order the Supabase CLI writes them, so that the well
/// known secret gives the well known keys to the byte.
fn sign(secret: &str, role: &str) -> String {
    let claims =
        serde_json::json!({ "iss": well_known::ISSUER, "role": role, "exp": well_known::EXPIRES_AT });
    keys::sign_hs256(secret, &claims)
}

#[cfg(test)]
mod tests {
    use super::sign;
    use crate::well_known::JWT_SECRET;

    #[test]
    fn the_well_known_keys_come_out_to_the_byte() {
        let anon = sign(JWT_SECRET, "anon");
        assert_eq!(
            anon,
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJzdXBhYmFzZS1kZW1vIiwicm9sZSI6ImFub24iLCJleHAiOjE5ODM4MTI5OTZ9.CRXP1A7WOeoJeXxjNni43kdQwgnWNReilDMblYTn_I0"
        );
    }
}
