//! Groups 3, 14, 15, 17 and 18: keys that would let everybody sign do not load.

use isobase_gateway::keys::{JwkConfig, KeyConfig, KeyError, KeySet, KeyState};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::signatures::one_point;
use crate::keyring::{ec, ed25519, encode, public_jwk, rsa};

fn refused(config: KeyConfig) -> KeyError {
    KeySet::new(&config).err().expect("the keys must be refused")
}

fn with_jwk(jwk: Value) -> KeyConfig {
    KeyConfig { jwks: vec![JwkConfig { jwk, state: KeyState::InUse }], ..KeyConfig::default() }
}

#[test]
fn weak_keys_are_refused_at_load() {
    let secret = |text: &str| KeyConfig { jwt_secret: Some(text.into()), ..KeyConfig::default() };
    assert_eq!(refused(secret("only-31-bytes-are-not-enough-00")), KeyError::SecretTooShort { bytes: 31 });
    assert_eq!(refused(secret(include_str!("../material/rsa_public.pem"))), KeyError::SecretIsPem);
    let twice = JwkConfig { jwk: public_jwk(&ec(), Algorithm::ES256, "ec"), state: KeyState::InUse };
    let twice = KeyConfig { jwks: vec![twice.clone(), twice], ..KeyConfig::default() };
    assert_eq!(refused(twice), KeyError::Jwk { index: 1, why: "another key has the same kid" });
    let rsa = public_jwk(&rsa(), Algorithm::RS256, "k");
    let ec = public_jwk(&ec(), Algorithm::ES256, "k");
    let ed = public_jwk(&ed25519(), Algorithm::EdDSA, "k");
    let but = |jwk: &Value, member: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk[member] = value;
        jwk
    };
    let mut zero_point = [0; 32];
    zero_point[31] = 0x80;
    for jwk in [
        but(&rsa, "e", "Aw".into()),
        but(&rsa, "e", "AAEAAQ".into()),
        but(&rsa, "n", encode([0xff; 128]).into()),
        but(&rsa, "n", encode([&[0][..], &[0xff; 256]].concat()).into()),
        but(&rsa, "alg", "PS256".into()),
        but(&rsa, "alg", "HS256".into()),
        but(&rsa, "use", "enc".into()),
        but(&rsa, "key_ops", json!(["encrypt"])),
        but(&rsa, "kid", Value::Null),
        but(&rsa, "kid", "".into()),
        but(&ec, "crv", "P-384".into()),
        but(&ec, "x", encode([1; 31]).into()),
        but(&ec, "kty", "RSA".into()),
        but(&ed, "crv", "X25519".into()),
        but(&ed, "x", encode([0; 32]).into()),
        but(&ed, "x", encode(zero_point).into()),
        but(&ed, "x", encode(one_point()).into()),
        but(&ed, "x", encode([0xff; 31]).into()),
        json!({ "kty": "oct", "kid": "k", "k": encode([1; 31]) }),
        json!({ "kty": "oct", "kid": "k" }),
        json!(1),
    ] {
        assert!(matches!(refused(with_jwk(jwk.clone())), KeyError::Jwk { index: 0, .. }), "{jwk}");
    }
    for good in [rsa, ec, ed, json!({ "kty": "oct", "kid": "k", "k": encode([1; 32]) })] {
        assert!(KeySet::new(&with_jwk(good)).is_ok());
    }
}
