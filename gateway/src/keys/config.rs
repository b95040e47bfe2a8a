//! What an operator says about keys.

use std::fmt;

use serde_json::Value;

/// The keys of a project and the rules for its tokens.
#[derive(Clone, Default)]
pub struct KeyConfig {
    /// The shared secret behind HS256 tokens, user tokens and legacy API keys alike. `None` for a
    /// project that has moved to asymmetric keys: every HS256 token without a `kid` is then refused.
    pub jwt_secret: Option<String>,
    /// The legacy API key of role `anon`: handed to functions in `sb-api-key` where the client sent
    /// a publishable key. Clients that send it themselves are verified like any other token.
    pub anon_key: Option<String>,
    /// The legacy API key of role `service_role`, likewise for secret keys.
    pub service_role_key: Option<String>,
    /// Opaque keys (`sb_publishable_…`) that act as `anon`.
    pub publishable_keys: Vec<String>,
    /// Opaque keys (`sb_secret_…`) that act as `service_role`.
    pub secret_keys: Vec<String>,
    /// Keys with a `kid`. See [`parse_jwks`].
    pub jwks: Vec<JwkConfig>,
    /// Roles a token may name besides `anon`, `authenticated` and `service_role`.
    pub allowed_roles: Vec<String>,
    /// If set, tokens must list it in `aud`. Legacy API keys have no audience and are exempt.
    pub audience: Option<String>,
    /// If set, tokens must have exactly this `iss`. Legacy API keys are exempt.
    pub issuer: Option<String>,
}

/// One JSON Web Key (RFC 7517) and where it is in its life. A private key is accepted and only its
/// public part is kept.
#[derive(Clone)]
pub struct JwkConfig {
    pub jwk: Value,
    pub state: KeyState,
}

/// The life of a signing key, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyState {
    /// Published so that verifiers know it; will sign after the next rotation.
    Standby,
    /// Signs new tokens.
    #[default]
    InUse,
    /// Signs no more; its tokens are good until they expire.
    PreviouslyUsed,
    /// Its tokens are refused at once.
    Revoked,
}

/// A key configuration that cannot be used. Says which key, never its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the JWT secret has {bytes} bytes; HS256 needs at least 32: set a longer one")]
    SecretTooShort { bytes: usize },
    #[error("the JWT secret is a public or private key in PEM form; put it into the JWKS instead")]
    SecretIsPem,
    #[error("API key number {index} does not start with {prefix}")]
    ApiKeyPrefix { index: usize, prefix: &'static str },
    #[error("too many keys: at most {max}")]
    TooMany { max: usize },
    #[error("the key set is not JSON of the form {{\"keys\":[…]}} or […]")]
    NotAKeySet,
    #[error("key number {index} of the key set: {why}")]
    Jwk { index: usize, why: &'static str },
    #[error("the legacy API key of role {role} cannot be sent in a header")]
    LegacyKey { role: &'static str },
}

/// Reads a JWK set, `{"keys": […]}`, or a bare array as in GoTrue's `GOTRUE_JWT_KEYS`. All keys
/// get the state [`KeyState::InUse`].
pub fn parse_jwks(text: &str) -> Result<Vec<JwkConfig>, KeyError> {
    let parsed: Value = serde_json::from_str(text).map_err(|_| KeyError::NotAKeySet)?;
    let keys = match parsed {
        Value::Array(keys) => keys,
        Value::Object(mut members) => match members.remove("keys") {
            Some(Value::Array(keys)) => keys,
            _ => return Err(KeyError::NotAKeySet),
        },
        _ => return Err(KeyError::NotAKeySet),
    };
    Ok(keys.into_iter().map(|jwk| JwkConfig { jwk, state: KeyState::InUse }).collect())
}

impl fmt::Debug for KeyConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyConfig")
            .field("jwt_secret", &self.jwt_secret.is_some())
            .field("publishable_keys", &self.publishable_keys.len())
            .field("secret_keys", &self.secret_keys.len())
            .field("jwks", &self.jwks.len())
            .field("allowed_roles", &self.allowed_roles)
            .field("audience", &self.audience)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for JwkConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JwkConfig")
            .field("kid", &self.jwk.get("kid"))
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
