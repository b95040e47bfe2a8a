//! Makes tokens: the CLI derives a project's legacy API keys from its secret, tests need users.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, crypto};
use serde_json::Value;

/// Signs `claims`, a JSON object, with HS256 under the header `{"alg":"HS256","typ":"JWT"}`.
///
/// The same secret and claims in the same order give the same token, so keys derived twice are equal.
///
/// ```
/// let token = isobase_gateway::keys::sign_hs256(
///     "a secret of at least thirty-two bytes",
///     &serde_json::json!({ "iss": "supabase-demo", "role": "anon", "exp": 1983812996 }),
/// );
/// assert!(token.starts_with("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."));
/// ```
pub fn sign_hs256(secret: &str, claims: &Value) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let key = EncodingKey::from_secret(secret.as_bytes());
    let signature = crypto::sign(signed.as_bytes(), &key, jsonwebtoken::Algorithm::HS256)
        .expect("HMAC takes a key of any length");
    format!("{signed}.{signature}")
}
