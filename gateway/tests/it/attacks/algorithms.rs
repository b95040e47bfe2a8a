//! Groups 1 to 13 and 15: algorithms, keys and headers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::Algorithm;
use serde_json::json;

use super::{Attack, Project, token};
use crate::keyring::{
    SECRET, api_key, ec, ec_other, ec_p384, ed25519, encode, hmac, public_jwk, rsa, sign, user, user_by,
    user_claims, with_header,
};

fn unsigned(header: &str) -> String {
    format!("{}.{}.", encode(header), encode(user_claims().to_string()))
}

pub(super) fn algorithms() -> Vec<Attack> {
    let mut table = Vec::new();
    for name in ["none", "nOnE", "NONE", "None", "", "HS256", "hs256"] {
        table.push(token(1, name, unsigned(&json!({ "alg": name, "typ": "JWT" }).to_string())));
        let signed = with_header(&json!({ "alg": name }).to_string());
        table.push(if name == "HS256" {
            token(1, "honest", signed).is("authenticated")
        } else {
            token(1, name, signed)
        });
    }
    for header in
        [r#"{"typ":"JWT"}"#, r#"{"alg":null}"#, r#"{"alg":256}"#, r#"{"alg":["HS256"]}"#, r#"{"alg":{}}"#]
    {
        table.push(token(2, header, with_header(header)));
    }
    for (name, pem) in [
        ("rsa", &include_bytes!("../material/rsa_public.pem")[..]),
        ("ec", include_bytes!("../material/ec_public.pem")),
    ] {
        let lines: String =
            String::from_utf8_lossy(pem).lines().filter(|line| !line.starts_with('-')).collect();
        let jwk = if name == "rsa" {
            public_jwk(&rsa(), Algorithm::RS256, "rsa")
        } else {
            public_jwk(&ec(), Algorithm::ES256, "ec")
        };
        let trimmed = String::from_utf8_lossy(pem).trim().to_owned();
        let secrets = [
            pem.to_vec(),
            trimmed.into_bytes(),
            STANDARD.decode(lines).unwrap(),
            jwk.to_string().into_bytes(),
        ];
        for secret in secrets {
            for header in [json!({ "alg": "HS256", "kid": name }), json!({ "alg": "HS256" })] {
                let forged =
                    sign(&header.to_string(), &user_claims().to_string(), &hmac(&secret), Algorithm::HS256);
                table.push(token(3, name, &forged));
                table.push(token(3, name, &forged).on(Project::AsymmetricOnly));
            }
        }
    }
    table.push(token(4, "HS256 where the secret is gone", user()).on(Project::AsymmetricOnly));
    table
        .push(token(4, "the anon key where the secret is gone", api_key("anon")).on(Project::AsymmetricOnly));
    table.push(token(5, "kid of another key", user_by(&ec_other(), Algorithm::ES256, "ec")));
    table
}

pub(super) fn key_ids() -> Vec<Attack> {
    let claims = user_claims().to_string();
    let mut table = vec![
        token(6, "PS256 with an RS256 key", user_by(&rsa(), Algorithm::PS256, "rsa")),
        token(6, "RS384 with an RS256 key", user_by(&rsa(), Algorithm::RS384, "rsa")),
        token(6, "RS512 with an RS256 key", user_by(&rsa(), Algorithm::RS512, "rsa")),
        token(6, "ES384 with an ES256 key", user_by(&ec_p384(), Algorithm::ES384, "ec")),
        token(6, "ES256 with an EdDSA key", user_by(&ec(), Algorithm::ES256, "ed")),
        token(
            6,
            "the secret under the kid of an EC key",
            user_by(&hmac(SECRET.as_bytes()), Algorithm::HS256, "ec"),
        ),
        token(
            6,
            "HS512 with the secret",
            sign(r#"{"alg":"HS512"}"#, &claims, &hmac(SECRET.as_bytes()), Algorithm::HS512),
        ),
        token(
            6,
            "a good RS256 signature that calls itself ES256",
            sign(r#"{"alg":"ES256","kid":"rsa"}"#, &claims, &rsa(), Algorithm::RS256),
        ),
        token(7, "no kid and several keys", sign(r#"{"alg":"ES256"}"#, &claims, &ec(), Algorithm::ES256)),
        token(8, "unknown kid and the secret", user_by(&hmac(SECRET.as_bytes()), Algorithm::HS256, "x")),
        token(8, "unknown kid and a known key", user_by(&ec(), Algorithm::ES256, "x")),
        token(8, "kid in another case", user_by(&ec(), Algorithm::ES256, "EC")),
        token(9, "a kid of 10 KB", user_by(&ec(), Algorithm::ES256, &"k".repeat(10_000))).gets(431),
        token(13, "standby", user_by(&rsa(), Algorithm::RS256, "rsa")).is("authenticated"),
        token(13, "previously used", user_by(&ed25519(), Algorithm::EdDSA, "ed")).is("authenticated"),
        token(13, "revoked", user_by(&ec_other(), Algorithm::ES256, "gone")),
        token(15, "another issuer's key with our iss", user_by(&ec_other(), Algorithm::ES256, "theirs")),
    ];
    for kid in ["../../../../dev/null", "x' or 1=1 --", "ec\0", "ec\n", "", " ec"] {
        table.push(token(9, kid, user_by(&ec(), Algorithm::ES256, kid)));
    }
    for kid in [json!(1), json!(["ec"]), json!({ "ec": 1 }), json!(null), json!(true), json!("k".repeat(257))]
    {
        let header = json!({ "alg": "ES256", "kid": kid }).to_string();
        table.push(token(9, &header, sign(&header, &claims, &ec(), Algorithm::ES256)));
    }
    let jwk = public_jwk(&ec_other(), Algorithm::ES256, "x");
    let certificate = json!(["MIIB"]);
    for (group, member) in [
        (10, json!({ "jku": "http://127.0.0.1:9/jwks.json" })),
        (10, json!({ "x5u": "http://127.0.0.1:9/cert" })),
        (10, json!({ "x5c": certificate })),
        (10, json!({ "jwk": jwk })),
        (11, json!({ "crit": ["exp"] })),
        (11, json!({ "crit": ["b64"], "b64": false })),
        (11, json!({ "crit": [] })),
        (11, json!({ "b64": false })),
        (12, json!({ "zip": "DEF" })),
        (12, json!({ "enc": "A128GCM" })),
        (12, json!({ "cty": "JWT" })),
        (12, json!({ "typ": "id_token+jwt" })),
        (12, json!({ "typ": 1 })),
    ] {
        let mut header = json!({ "alg": "HS256" });
        header.as_object_mut().unwrap().extend(member.as_object().unwrap().clone());
        table.push(token(group, &header.to_string(), with_header(&header.to_string())));
    }
    table.push(token(12, "JWE", "eyJhbGciOiJkaXIifQ..AAAA.AAAA.AAAA"));
    table.push(token(12, "JSON serialisation", r#"{"payload":"e30","protected":"e30","signature":"AA"}"#));
    table
}
