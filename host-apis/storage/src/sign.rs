//! Addresses that open one object for a while, to whoever has them.
//!
//! The token is a JWT (HS256, the project's secret) with the claims that Supabase Storage gives it: `url`,
//! the bucket and the name, `scope`, `iat` and `exp`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use isobase_base::limits::{STORAGE_SIGNED_FOR_MAX, TOKEN_BYTES_MAX};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::{Code, Error};

/// What a token may be used for; one of a kind never passes for another.
const SCOPE_DOWNLOAD: &str = "download";

/// A permission to read one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedUrl {
    /// Beneath `/storage/v1`, with the token, not percent-encoded: clients do that.
    pub path: String,
    pub token: String,
}

/// What a token says that was found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    pub bucket: String,
    pub name: String,
    /// Seconds since 1970.
    pub expires_at: u64,
}

pub(crate) struct Signer {
    signing: EncodingKey,
    verifying: DecodingKey,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// Of a token to upload with from before there were scopes.
    #[serde(skip_serializing)]
    upsert: Option<serde_json::Value>,
    iat: u64,
    exp: u64,
}

impl Signer {
    pub(crate) fn new(secret: &str) -> Self {
        Self {
            signing: EncodingKey::from_secret(secret.as_bytes()),
            verifying: DecodingKey::from_secret(secret.as_bytes()),
        }
    }

    pub(crate) fn sign(&self, bucket: &str, name: &str, valid_for: Duration) -> Result<SignedUrl, Error> {
        if valid_for < Duration::from_secs(1) || valid_for > STORAGE_SIGNED_FOR_MAX {
            let days = STORAGE_SIGNED_FOR_MAX.as_secs() / 86_400;
            let text = format!("a signed URL is valid for a second at least and {days} days at most");
            return Err(Error::new(Code::InvalidRequest, text));
        }
        let iat = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let url = format!("{bucket}/{name}");
        let claims = Claims {
            scope: Some(SCOPE_DOWNLOAD.to_owned()),
            upsert: None,
            iat,
            exp: iat + valid_for.as_secs(),
            url,
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .map_err(|error| Error::internal("the URL could not be signed", &error))?;
        Ok(SignedUrl { path: format!("/object/sign/{}?token={token}", claims.url), token })
    }

    pub(crate) fn verify(&self, token: &str) -> Result<Signed, Error> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Error::new(Code::InvalidJwt, "jwt malformed"));
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.validate_aud = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.verifying, &validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => {
                    Error::new(Code::InvalidJwt, "\"exp\" claim timestamp check failed")
                }
                ErrorKind::InvalidSignature => Error::new(Code::InvalidJwt, "signature verification failed"),
                _ => Error::new(Code::InvalidJwt, "jwt malformed"),
            })?
            .claims;
        let is_for_download = match claims.scope.as_deref() {
            Some(scope) => scope == SCOPE_DOWNLOAD,
            None => claims.upsert.is_none(),
        };
        match claims.url.split_once('/') {
            Some((bucket, name)) if is_for_download => {
                Ok(Signed { bucket: bucket.to_owned(), name: name.to_owned(), expires_at: claims.exp })
            }
            _ => Err(Error::new(Code::InvalidSignature, "Invalid signature")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    use serde_json::{Value, json};

    use super::Signer;
    use crate::Code;

    const SECRET: &str = "a secret of at least thirty-two bytes";

    fn foreign(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
        jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes()))
            .unwrap()
    }

    #[test]
    fn what_was_signed_is_read_again() {
        let signer = Signer::new(SECRET);
        let url = signer.sign("images", "a/ü b.png", Duration::from_secs(60)).unwrap();
        assert_eq!(url.path, format!("/object/sign/images/a/ü b.png?token={}", url.token));
        let signed = signer.verify(&url.token).unwrap();
        assert_eq!((signed.bucket.as_str(), signed.name.as_str()), ("images", "a/ü b.png"));
        assert!(signer.sign("b", "n", Duration::ZERO).is_err());
    }

    #[test]
    fn nothing_else_passes() {
        let signer = Signer::new(SECRET);
        let good = json!({ "url": "b/n", "scope": "download", "iat": 1, "exp": 4_000_000_000_u64 });
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            claims
        };
        let mut without_scope = good.clone();
        without_scope.as_object_mut().unwrap().remove("scope");
        let mut old_upload = without_scope.clone();
        old_upload["upsert"] = json!(false);
        let hs256 = |claims: &Value| foreign(Algorithm::HS256, SECRET, claims);
        assert!(signer.verify(&hs256(&good)).is_ok());
        assert!(signer.verify(&hs256(&without_scope)).is_ok(), "tokens of before there were scopes");
        for (token, code) in [
            (hs256(&with("scope", json!("upload"))), Code::InvalidSignature),
            (hs256(&old_upload), Code::InvalidSignature),
            (hs256(&with("url", json!("no-slash"))), Code::InvalidSignature),
            (hs256(&with("exp", json!(2))), Code::InvalidJwt),
            (foreign(Algorithm::HS256, "another secret of thirty-two bytes!", &good), Code::InvalidJwt),
            (foreign(Algorithm::HS512, SECRET, &good), Code::InvalidJwt),
            (String::new(), Code::InvalidJwt),
            ("x".repeat(10_000), Code::InvalidJwt),
        ] {
            assert_eq!(signer.verify(&token).unwrap_err().code, code, "{token}");
        }
    }
}
