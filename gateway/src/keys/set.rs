//! The verification keys of a project, as one immutable set.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use http::HeaderValue;
use isobase_base::{Role, hex, limits};
use jsonwebtoken::{DecodingKey, crypto};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::cache::TokenCache;
use super::claims::{ClaimRules, Verified};
use super::compact::Compact;
use super::jwk::{Jwk, VerificationKey};
use super::opaque::OpaqueKeys;
use super::token_error::{Reason, TokenError};
use super::{Algorithm, ApiKeyKind, KeyConfig, KeyError, KeyState};

/// The keys in force, replaced as a whole.
pub struct Keys(ArcSwap<KeySet>);

impl Keys {
    pub fn new(config: &KeyConfig) -> Result<Self, KeyError> {
        Ok(Self(ArcSwap::from_pointee(KeySet::new(config)?)))
    }

    /// Requests that come after this call see only the new keys; nothing verified before is
    /// remembered. On error the old keys stay.
    pub fn replace(&self, config: &KeyConfig) -> Result<(), KeyError> {
        self.0.store(Arc::new(KeySet::new(config)?));
        Ok(())
    }

    pub fn load(&self) -> Guard<Arc<KeySet>> {
        self.0.load()
    }
}

/// All keys of a project at one moment, with the tokens they have verified.
pub struct KeySet {
    secret: Option<VerificationKey>,
    by_id: HashMap<String, VerificationKey>,
    opaque: OpaqueKeys,
    rules: ClaimRules,
    verified: TokenCache,
    legacy_anon: Option<HeaderValue>,
    legacy_service: Option<HeaderValue>,
    published: Bytes,
    published_tag: HeaderValue,
}

impl KeySet {
    pub fn new(config: &KeyConfig) -> Result<Self, KeyError> {
        let (by_id, published) = read_jwks(config)?;
        let published = Bytes::from(json!({ "keys": published }).to_string());
        Ok(Self {
            secret: config.jwt_secret.as_deref().map(read_secret).transpose()?,
            by_id,
            opaque: OpaqueKeys::new(&config.publishable_keys, &config.secret_keys)?,
            rules: ClaimRules::new(config),
            verified: TokenCache::new(),
            legacy_anon: legacy_header(config.anon_key.as_deref(), Role::ANON)?,
            legacy_service: legacy_header(config.service_role_key.as_deref(), Role::SERVICE)?,
            published_tag: tag(&published),
            published,
        })
    }

    /// Verifies a token at the present time, from memory where it was seen before.
    pub fn verify(&self, token: &str) -> Result<Verified, TokenError> {
        if token.len() > limits::TOKEN_BYTES_MAX {
            return Err(Reason::TooLong.early());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let cache_key = TokenCache::key(token);
        if let Some(verified) = self.verified.get(&cache_key, now) {
            return Ok(verified);
        }
        let verified = self.verify_at(token, now)?;
        self.verified.insert(cache_key, verified.clone());
        Ok(verified)
    }

    /// Verifies a token as of `now`, in seconds since 1970, asking no cache.
    pub fn verify_at(&self, token: &str, now: u64) -> Result<Verified, TokenError> {
        let compact = Compact::parse(token)?;
        let algorithm = compact.algorithm;
        let (key, by_secret) = self.key_for(&compact).ok_or(Reason::UnknownKey.of(algorithm))?;
        if key.algorithm != algorithm {
            return Err(Reason::Algorithm.of(algorithm));
        }
        let genuine = crypto::verify(
            compact.signature,
            compact.signed.as_bytes(),
            &key.key,
            key.algorithm.of_library(),
        );
        if !matches!(genuine, Ok(true)) {
            return Err(Reason::Signature.of(algorithm));
        }
        self.rules.check(compact.payload, by_secret, now).map_err(|reason| reason.of(algorithm))
    }

    /// The role of an opaque API key, or `None` when this project has no such key.
    pub fn api_key(&self, key: &str) -> Option<ApiKeyKind> {
        self.opaque.find(key)
    }

    /// The legacy key that stands for an opaque one towards functions.
    pub(crate) fn legacy_key(&self, kind: ApiKeyKind) -> Option<&HeaderValue> {
        match kind {
            ApiKeyKind::Publishable => self.legacy_anon.as_ref(),
            ApiKeyKind::Secret => self.legacy_service.as_ref(),
        }
    }

    /// The public keys as a JWK set, and its entity tag.
    pub(crate) fn published(&self) -> (&Bytes, &HeaderValue) {
        (&self.published, &self.published_tag)
    }

    /// A `kid` finds its key or none. Without one there is only the shared secret, or the single
    /// key of a set that has no other: never a search for a key that happens to fit.
    fn key_for(&self, token: &Compact<'_>) -> Option<(&VerificationKey, bool)> {
        match &token.key_id {
            Some(id) => self.by_id.get(id).map(|key| (key, false)),
            None if self.secret.is_some() && token.algorithm == Algorithm::Hs256 => {
                self.secret.as_ref().map(|key| (key, true))
            }
            None if self.by_id.len() == 1 => self.by_id.values().next().map(|key| (key, false)),
            None => None,
        }
    }
}

fn read_secret(secret: &str) -> Result<VerificationKey, KeyError> {
    if secret.len() < limits::JWT_SECRET_BYTES_MIN {
        return Err(KeyError::SecretTooShort { bytes: secret.len() });
    }
    // A public key used as a secret would let everybody sign.
    if secret.trim_start().starts_with("-----BEGIN") {
        return Err(KeyError::SecretIsPem);
    }
    Ok(VerificationKey { algorithm: Algorithm::Hs256, key: DecodingKey::from_secret(secret.as_bytes()) })
}

type KeysById = HashMap<String, VerificationKey>;

fn read_jwks(config: &KeyConfig) -> Result<(KeysById, Vec<serde_json::Value>), KeyError> {
    if config.jwks.len() > limits::VERIFICATION_KEYS_MAX {
        return Err(KeyError::TooMany { max: limits::VERIFICATION_KEYS_MAX });
    }
    let (mut by_id, mut published) = (HashMap::new(), Vec::new());
    for (index, entry) in config.jwks.iter().enumerate() {
        let jwk = Jwk::parse(&entry.jwk).map_err(|why| KeyError::Jwk { index, why })?;
        // A revoked key is as good as unknown; it is still read, so that a typo is noticed.
        if entry.state == KeyState::Revoked {
            continue;
        }
        published.extend(jwk.public);
        if by_id.insert(jwk.key_id, jwk.verification).is_some() {
            return Err(KeyError::Jwk { index, why: "another key has the same kid" });
        }
    }
    Ok((by_id, published))
}

fn legacy_header(key: Option<&str>, role: &'static str) -> Result<Option<HeaderValue>, KeyError> {
    let Some(key) = key else { return Ok(None) };
    let mut value = HeaderValue::try_from(key).map_err(|_| KeyError::LegacyKey { role })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn tag(content: &[u8]) -> HeaderValue {
    let digest = hex(&Sha256::digest(content)[..8]);
    HeaderValue::try_from(format!("\"{digest}\"")).expect("hex is a valid header value")
}
