//! The keys of the project under test, and tokens made with them, good and bad.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use isobase_gateway::keys::{JwkConfig, KeyConfig, KeyState};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

pub(crate) const SECRET: &str = "super-secret-jwt-token-with-at-least-32-characters-long";
pub(crate) const PUBLISHABLE: &str = "sb_publishable_AAAAAAAAAAAAAAAAAAAAAA_BBBBBBBB";
pub(crate) const SECRET_KEY: &str = "sb_secret_CCCCCCCCCCCCCCCCCCCCCC_DDDDDDDD";

const ED25519_X: &str = "VziSUbX67srBbDy9Xi6NGZVFLUSRQnpQfbmpXr6n7rE";

pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn rsa() -> EncodingKey {
    EncodingKey::from_rsa_pem(include_bytes!("material/rsa.pem")).unwrap()
}

pub(crate) fn ec() -> EncodingKey {
    EncodingKey::from_ec_pem(include_bytes!("material/ec.pem")).unwrap()
}

pub(crate) fn ec_other() -> EncodingKey {
    EncodingKey::from_ec_pem(include_bytes!("material/ec_other.pem")).unwrap()
}

pub(crate) fn ec_p384() -> EncodingKey {
    EncodingKey::from_ec_pem(include_bytes!("material/ec_p384.pem")).unwrap()
}

pub(crate) fn ed25519() -> EncodingKey {
    EncodingKey::from_ed_pem(include_bytes!("material/ed25519.pem")).unwrap()
}

pub(crate) fn hmac(secret: &[u8]) -> EncodingKey {
    EncodingKey::from_secret(secret)
}

/// The public JWK of a key, with a `kid`.
pub(crate) fn public_jwk(key: &EncodingKey, algorithm: Algorithm, kid: &str) -> Value {
    let mut jwk = if algorithm == Algorithm::EdDSA {
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": ED25519_X })
    } else {
        serde_json::to_value(Jwk::from_encoding_key(key, algorithm).unwrap()).unwrap()
    };
    jwk["kid"] = kid.into();
    jwk
}

/// All kinds of keys in all states: `ec` in use, `rsa` standby, `ed` previously used, `gone` revoked.
pub(crate) fn project() -> KeyConfig {
    let with = |jwk, state| JwkConfig { jwk, state };
    KeyConfig {
        jwt_secret: Some(SECRET.into()),
        anon_key: Some(api_key("anon")),
        service_role_key: Some(api_key("service_role")),
        publishable_keys: vec![PUBLISHABLE.into()],
        secret_keys: vec![SECRET_KEY.into()],
        jwks: vec![
            with(public_jwk(&ec(), Algorithm::ES256, "ec"), KeyState::InUse),
            with(public_jwk(&rsa(), Algorithm::RS256, "rsa"), KeyState::Standby),
            with(public_jwk(&ed25519(), Algorithm::EdDSA, "ed"), KeyState::PreviouslyUsed),
            with(public_jwk(&ec_other(), Algorithm::ES256, "gone"), KeyState::Revoked),
        ],
        ..KeyConfig::default()
    }
}

/// The same project after it left the shared secret behind.
pub(crate) fn asymmetric_only() -> KeyConfig {
    KeyConfig { jwt_secret: None, ..project() }
}

/// The same project with rules for audience and issuer.
pub(crate) fn strict() -> KeyConfig {
    KeyConfig {
        audience: Some("authenticated".into()),
        issuer: Some("http://127.0.0.1:54321/auth/v1".into()),
        allowed_roles: vec!["web_editor".into()],
        ..project()
    }
}

pub(crate) fn encode(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

/// Signs any two texts, however malformed.
pub(crate) fn sign(header: &str, payload: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let signed = format!("{}.{}", encode(header), encode(payload));
    let signature = crypto::sign(signed.as_bytes(), key, algorithm).unwrap();
    format!("{signed}.{signature}")
}

/// A token signed with the project's secret.
pub(crate) fn signed(payload: &Value) -> String {
    raw(&payload.to_string())
}

pub(crate) fn raw(payload: &str) -> String {
    sign(r#"{"alg":"HS256","typ":"JWT"}"#, payload, &hmac(SECRET.as_bytes()), Algorithm::HS256)
}

/// A token with this header, signed with the project's secret.
pub(crate) fn with_header(header: &str) -> String {
    sign(header, &user_claims().to_string(), &hmac(SECRET.as_bytes()), Algorithm::HS256)
}

pub(crate) fn user_claims() -> Value {
    json!({
        "iss": "http://127.0.0.1:54321/auth/v1",
        "sub": "7d0b5c5e-0000-4000-8000-000000000001",
        "aud": "authenticated",
        "exp": now() + 3600,
        "iat": now(),
        "role": "authenticated",
        "email": "a@example.com",
    })
}

/// The claims of a user, with some of them replaced or, where `null`, taken out.
pub(crate) fn user_but(changes: Value) -> String {
    let mut claims = user_claims();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().shift_remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    signed(&claims)
}

pub(crate) fn user() -> String {
    signed(&user_claims())
}

/// A user's token by an asymmetric key.
pub(crate) fn user_by(key: &EncodingKey, algorithm: Algorithm, kid: &str) -> String {
    let header = json!({ "alg": format!("{algorithm:?}"), "typ": "JWT", "kid": kid });
    sign(&header.to_string(), &user_claims().to_string(), key, algorithm)
}

/// A legacy API key, as the CLI makes them.
pub(crate) fn api_key(role: &str) -> String {
    isobase_gateway::keys::sign_hs256(
        SECRET,
        &json!({ "iss": "supabase-demo", "role": role, "exp": 1_983_812_996_u64 }),
    )
}
