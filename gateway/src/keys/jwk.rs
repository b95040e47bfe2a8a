//! JSON Web Keys (RFC 7517, RFC 7518 §6, RFC 8037) made into verification keys, each pinned to one
//! algorithm.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use isobase_base::limits;
use jsonwebtoken::DecodingKey;
use serde_json::{Value, json};

use super::Algorithm;

/// A key and the one algorithm it may be used with.
pub(super) struct VerificationKey {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// A key out of a set.
pub(super) struct Jwk {
    pub(super) key_id: String,
    pub(super) verification: VerificationKey,
    /// The public members only; `None` for a shared secret, which is never published.
    pub(super) public: Option<Value>,
}

/// Smallest RSA modulus, in bytes: 2048 bits (RFC 7518 §3.3). The largest bounds the work of one
/// verification.
const RSA_MODULUS_BYTES_MIN: usize = 256;
const RSA_MODULUS_BYTES_MAX: usize = 1024;
/// 2^16 + 1. Smaller exponents are what signature forgeries build on.
const RSA_EXPONENT_MIN: u64 = 65_537;

/// The encodings of Ed25519 points of small order, sign bit cleared. With such a key one signature
/// fits every message.
const ED25519_SMALL_ORDER: [[u8; 32]; 7] = [
    little(0),
    little(1),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    near_prime(0xec),
    near_prime(0xed),
    near_prime(0xee),
];

const fn little(value: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = value;
    bytes
}

/// `2^255 - 19 + (last - 0xed)`: the prime of the field and its neighbours.
const fn near_prime(last: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = last;
    bytes[31] = 0x7f;
    bytes
}

impl Jwk {
    /// Reads one key; the error says what is wrong with it and can be shown to the operator.
    pub(super) fn parse(jwk: &Value) -> Result<Self, &'static str> {
        let key_id = text(jwk, "kid")?;
        if key_id.is_empty() || key_id.len() > limits::TOKEN_KEY_ID_BYTES_MAX {
            return Err("kid must have 1 to 256 bytes");
        }
        check_purpose(jwk)?;
        let (verification, public) = match text(jwk, "kty")? {
            "oct" => (secret(jwk)?, None),
            "RSA" => rsa(jwk)?,
            "EC" => ec(jwk)?,
            "OKP" => ed25519(jwk)?,
            _ => return Err("kty must be RSA, EC, OKP or oct"),
        };
        if let Some(named) = jwk.get("alg")
            && named.as_str().and_then(Algorithm::parse) != Some(verification.algorithm)
        {
            return Err("alg must be RS256, ES256, EdDSA or HS256 and fit the type of the key");
        }
        let public = public.map(|members| publish(members, key_id, verification.algorithm));
        Ok(Self { key_id: key_id.to_owned(), verification, public })
    }
}

fn publish(mut members: Value, key_id: &str, algorithm: Algorithm) -> Value {
    members["kid"] = key_id.into();
    members["alg"] = algorithm.name().into();
    members["use"] = "sig".into();
    members["key_ops"] = json!(["verify"]);
    members
}

fn text<'a>(jwk: &'a Value, member: &'static str) -> Result<&'a str, &'static str> {
    jwk.get(member).and_then(Value::as_str).ok_or(match member {
        "kid" => "kid is missing",
        "kty" => "kty is missing",
        _ => "a member of the key is missing",
    })
}

fn bytes(jwk: &Value, member: &'static str) -> Result<Vec<u8>, &'static str> {
    URL_SAFE_NO_PAD.decode(text(jwk, member)?).map_err(|_| "a member of the key is not base64url")
}

fn check_purpose(jwk: &Value) -> Result<(), &'static str> {
    if jwk.get("use").is_some_and(|purpose| purpose != "sig") {
        return Err("use must be sig");
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations))
            if operations.iter().any(|name| name == "sign" || name == "verify") =>
        {
            Ok(())
        }
        Some(_) => Err("key_ops must have sign or verify"),
    }
}

fn secret(jwk: &Value) -> Result<VerificationKey, &'static str> {
    let secret = bytes(jwk, "k")?;
    if secret.len() < limits::JWT_SECRET_BYTES_MIN {
        return Err("k must have at least 32 bytes");
    }
    Ok(VerificationKey { algorithm: Algorithm::Hs256, key: DecodingKey::from_secret(&secret) })
}

fn rsa(jwk: &Value) -> Result<(VerificationKey, Option<Value>), &'static str> {
    let (modulus, exponent) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    let starts_with_zero = |number: &[u8]| number.first() == Some(&0);
    if starts_with_zero(&modulus) || starts_with_zero(&exponent) {
        return Err("n and e must not start with a zero byte");
    }
    if !(RSA_MODULUS_BYTES_MIN..=RSA_MODULUS_BYTES_MAX).contains(&modulus.len()) {
        return Err("n must have 2048 to 8192 bits");
    }
    let value = exponent.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    if exponent.len() > 4 || value < RSA_EXPONENT_MIN || value % 2 == 0 {
        return Err("e must be odd, at least 65537 and at most 32 bits long");
    }
    let key = DecodingKey::from_rsa_raw_components(&modulus, &exponent);
    let public = json!({ "kty": "RSA", "n": jwk["n"], "e": jwk["e"] });
    Ok((VerificationKey { algorithm: Algorithm::Rs256, key }, Some(public)))
}

fn ec(jwk: &Value) -> Result<(VerificationKey, Option<Value>), &'static str> {
    if text(jwk, "crv")? != "P-256" {
        return Err("crv must be P-256 for an EC key");
    }
    if bytes(jwk, "x")?.len() != 32 || bytes(jwk, "y")?.len() != 32 {
        return Err("x and y must have 32 bytes each");
    }
    let key = DecodingKey::from_ec_components(text(jwk, "x")?, text(jwk, "y")?);
    let key = key.map_err(|_| "x and y are not a point")?;
    let public = json!({ "kty": "EC", "crv": "P-256", "x": jwk["x"], "y": jwk["y"] });
    Ok((VerificationKey { algorithm: Algorithm::Es256, key }, Some(public)))
}

fn ed25519(jwk: &Value) -> Result<(VerificationKey, Option<Value>), &'static str> {
    if text(jwk, "crv")? != "Ed25519" {
        return Err("crv must be Ed25519 for an OKP key");
    }
    let mut point: [u8; 32] = bytes(jwk, "x")?.try_into().map_err(|_| "x must have 32 bytes")?;
    let key = DecodingKey::from_ed_der(&point);
    point[31] &= 0x7f;
    if ED25519_SMALL_ORDER.contains(&point) {
        return Err("x is a point of small order");
    }
    let public = json!({ "kty": "OKP", "crv": "Ed25519", "x": jwk["x"] });
    Ok((VerificationKey { algorithm: Algorithm::EdDsa, key }, Some(public)))
}
