//! The token of the user whom all requests are made as.

use anyhow::Context;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

/// Who owns the rows of the fixture.
pub(crate) const USER: &str = "11111111-1111-1111-1111-111111111111";
/// Somebody else, who must see none of them.
pub(crate) const STRANGER: &str = "22222222-2222-2222-2222-222222222222";
/// 2032, as in the keys of a local project.
const EXPIRES_AT: i64 = 1_983_812_996;

pub(crate) fn sign(secret: &str, user: &str) -> anyhow::Result<String> {
    let claims = json!({ "sub": user, "role": "authenticated", "aud": "authenticated", "exp": EXPIRES_AT });
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::default(), &claims, &key).context("the user's token could not be signed")
}
