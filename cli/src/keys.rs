//! The project's keys: what `config.toml` sets, else the well-known local ones in development and the
//! host's own in production.

use std::path::Path;

use anyhow::anyhow;
use isobase_base::project::Settings;
use isobase_gateway::keys;
use sha2::{Digest, Sha256};

use crate::kept_keys::KeptKeys;
use crate::{BadConfig, well_known};

/// Everything a client can present and what verifies it.
pub(crate) struct ProjectKeys {
    pub(crate) jwt_secret: String,
    pub(crate) anon_key: String,
    pub(crate) service_role_key: String,
    pub(crate) publishable_key: String,
    pub(crate) secret_key: String,
    /// For the Management API.
    pub(crate) access_token: String,
    /// Of role `postgres` on a managed cluster.
    pub(crate) database_password: String,
    /// JWKs beside the shared secret, a JSON array.
    pub(crate) jwks: String,
}

/// How a host is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Source folders are live, the keys are those that every local project shares.
    Development,
    /// Deployed versions alone, and keys of the host's own.
    Production,
}

/// RFC 7518 §3.2 wants as many bits as the hash has; the Supabase CLI accepts less than we do.
const JWT_SECRET_BYTES_MIN: usize = 32;

impl ProjectKeys {
    /// Makes keys that are missing and keeps them under the data folder of `workdir`.
    pub(crate) fn of(settings: &Settings, mode: Mode, workdir: &Path) -> anyhow::Result<Self> {
        let auth = &settings.auth;
        let kept = KeptKeys::load_or_make(workdir)?;
        let own = mode == Mode::Production;
        let choose = |set: &Option<String>, demo: &str, kept: &str| {
            set.clone().unwrap_or_else(|| if own { kept.to_owned() } else { demo.to_owned() })
        };
        let jwt_secret = choose(&auth.jwt_secret, well_known::JWT_SECRET, &kept.jwt_secret);
        if jwt_secret.len() < JWT_SECRET_BYTES_MIN {
            return Err(anyhow!(
                "auth.jwt_secret in supabase/config.toml has {} characters; HS256 needs at least {JWT_SECRET_BYTES_MIN}",
                jwt_secret.len()
            )
            .context(BadConfig));
        }
        let issuer = if own { "isobase" } else { well_known::ISSUER };
        let legacy = |role: &str, given: &Option<String>| {
            given.clone().unwrap_or_else(|| sign(&jwt_secret, issuer, role))
        };
        let made = Self {
            anon_key: legacy("anon", &auth.anon_key),
            service_role_key: legacy("service_role", &auth.service_role_key),
            publishable_key: choose(
                &auth.publishable_key,
                well_known::PUBLISHABLE_KEY,
                &kept.publishable_key,
            ),
            secret_key: choose(&auth.secret_key, well_known::SECRET_KEY, &kept.secret_key),
            access_token: kept.access_token,
            database_password: if own {
                kept.database_password
            } else {
                well_known::DATABASE_PASSWORD.into()
            },
            jwks: if own { "[]".into() } else { format!("[{}]", well_known::SIGNING_KEY) },
            jwt_secret,
        };
        if own {
            made.refuse_demo_keys()?;
        }
        Ok(made)
    }

    /// Whoever reads Supabase's documentation has these keys.
    fn refuse_demo_keys(&self) -> anyhow::Result<()> {
        let demo = |role| sign(well_known::JWT_SECRET, well_known::ISSUER, role);
        let public = [
            ("auth.jwt_secret", &self.jwt_secret, well_known::JWT_SECRET.to_owned()),
            ("auth.publishable_key", &self.publishable_key, well_known::PUBLISHABLE_KEY.to_owned()),
            ("auth.secret_key", &self.secret_key, well_known::SECRET_KEY.to_owned()),
            ("auth.anon_key", &self.anon_key, demo("anon")),
            ("auth.service_role_key", &self.service_role_key, demo("service_role")),
        ];
        match public.iter().find(|(_, set, known)| *set == known) {
            None => Ok(()),
            Some((name, ..)) => Err(anyhow!(
                "{name} is the well-known key of local development, which everybody has; remove it from supabase/config.toml and the environment, and isobase makes its own"
            )
            .context(BadConfig)),
        }
    }
}

/// Twenty lower case letters for a project, the form that Supabase's CLI accepts: its id, if that is
/// one, else letters that follow from it.
pub(crate) fn project_ref(project_id: &str) -> String {
    if project_id.len() == 20 && project_id.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return project_id.to_owned();
    }
    let digest = Sha256::digest(project_id);
    digest.iter().take(20).map(|byte| char::from(b'a' + byte % 26)).collect()
}

/// A key of the legacy form: members in the order the Supabase CLI writes them, so that the well
/// known secret gives the well known keys to the byte.
fn sign(secret: &str, issuer: &str, role: &str) -> String {
    let claims = serde_json::json!({ "iss": issuer, "role": role, "exp": well_known::EXPIRES_AT });
    keys::sign_hs256(secret, &claims)
}

#[cfg(test)]
mod tests {
    use super::{Mode, ProjectKeys, sign};
    use crate::well_known::{ISSUER, JWT_SECRET};
    use isobase_base::project::Project;

    #[test]
    fn the_well_known_keys_come_out_to_the_byte() {
        let anon = sign(JWT_SECRET, ISSUER, "anon");
        assert_eq!(
            anon,
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJzdXBhYmFzZS1kZW1vIiwicm9sZSI6ImFub24iLCJleHAiOjE5ODM4MTI5OTZ9.CRXP1A7WOeoJeXxjNni43kdQwgnWNReilDMblYTn_I0"
        );
    }

    #[test]
    fn production_has_keys_of_its_own_and_refuses_the_well_known_ones() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("supabase")).unwrap();
        let keys = |config: &str, mode| {
            std::fs::write(folder.path().join("supabase/config.toml"), config).unwrap();
            let project = Project::load(folder.path(), &Default::default()).unwrap();
            ProjectKeys::of(&project.settings, mode, folder.path())
        };
        let first = keys("", Mode::Production).unwrap();
        assert_ne!(first.jwt_secret, JWT_SECRET);
        assert_eq!(first.jwt_secret, keys("", Mode::Production).unwrap().jwt_secret, "kept");
        let demo = format!("[auth]\njwt_secret = \"{JWT_SECRET}\"\n");
        let refused = keys(&demo, Mode::Production).err().unwrap();
        assert!(format!("{refused:#}").contains("auth.jwt_secret is the well-known key"), "{refused:#}");
        assert_eq!(keys(&demo, Mode::Development).unwrap().jwt_secret, JWT_SECRET);
    }
}
