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
    sign_claims(
        secret,
        &json!({ "sub": user, "role": "authenticated", "aud": "authenticated", "exp": EXPIRES_AT }),
    )
}

/// One of many tokens of a user, no two alike.
pub(crate) fn sign_numbered(secret: &str, user: &str, number: usize) -> anyhow::Result<String> {
    let claims = json!({
        "sub": user, "role": "authenticated", "aud": "authenticated", "exp": EXPIRES_AT, "session": number
    });
    sign_claims(secret, &claims)
}

fn sign_claims(secret: &str, claims: &serde_json::Value) -> anyhow::Result<String> {
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::default(), claims, &key).context("the user's token could not be signed")
}
