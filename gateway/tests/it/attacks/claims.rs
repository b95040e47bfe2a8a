//! Groups 25 to 33 and 38: genuine tokens that say what they may not.

use serde_json::json;

use super::{Attack, Project, token};
use crate::keyring::{now, raw, signed, user_but, user_claims, with_header};

/// The claims of a user as text, with this written before the closing brace.
fn plus(text: &str) -> String {
    let claims = user_claims().to_string();
    raw(&format!("{},{text}}}", claims.strip_suffix('}').unwrap()))
}

pub(super) fn claims() -> Vec<Attack> {
    let nested = |depth: usize| format!("\"x\":{}{}", "[".repeat(depth), "]".repeat(depth));
    let mut table = vec![
        token(25, "10,000 levels", plus(&nested(10_000))).gets(431),
        token(25, "1,000 levels", plus(&nested(1_000))),
        token(25, "33 levels", plus(&nested(33))),
        token(25, "20 levels are fine", plus(&nested(20))).is("authenticated"),
        token(26, "1e400", plus("\"x\":1e400")),
        token(27, "two alg", with_header(r#"{"alg":"HS256","alg":"HS256"}"#)),
        token(27, "two alg, one none", with_header(r#"{"alg":"none","alg":"HS256"}"#)),
        token(27, "two roles", plus(r#""role":"service_role""#)),
        token(27, "two roles, one escaped", plus(r#""rol\u0065":"service_role""#)),
        token(27, "two sub", plus(r#""sub":"x""#)),
        token(27, "two exp", plus(r#""exp":9999999999"#)),
        token(28, "no exp", user_but(json!({ "exp": null }))),
        token(
            28,
            "no exp, but an API key",
            signed(&json!({ "iss": "supabase", "ref": "x", "role": "anon" })),
        )
        .is("anon"),
        token(
            28,
            "no exp, an API key of another role",
            signed(&json!({ "iss": "supabase", "role": "authenticated" })),
        ),
        token(
            28,
            "no exp, an API key with a user",
            signed(&json!({ "iss": "supabase", "role": "anon", "sub": "u" })),
        ),
        token(28, "over", user_but(json!({ "exp": now() - 31 }))),
        token(28, "over for just the skew", user_but(json!({ "exp": now() - 30 }))),
        token(28, "over now, within the skew", user_but(json!({ "exp": now() }))).is("authenticated"),
        token(29, "nbf ahead", user_but(json!({ "nbf": now() + 120 }))),
        token(29, "nbf within the skew", user_but(json!({ "nbf": now() + 10 }))).is("authenticated"),
        token(29, "nbf a string", user_but(json!({ "nbf": "0" }))),
        token(29, "iat ahead", user_but(json!({ "iat": now() + 120 }))),
    ];
    for exp in [
        json!("9999999999"),
        json!(-1),
        json!(1.5),
        json!(now() as f64 + 99.5),
        json!(1_u64 << 63),
        json!([1]),
    ] {
        table.push(token(28, &exp.to_string(), user_but(json!({ "exp": exp }))));
    }
    table
}

/// Audience, issuer, subject, role and size.
pub(super) fn names() -> Vec<Attack> {
    let mut table = vec![
        token(30, "aud a number", user_but(json!({ "aud": 1 }))),
        token(30, "aud with a number", user_but(json!({ "aud": ["authenticated", 1] }))),
        token(30, "no aud", user_but(json!({ "aud": null }))).on(Project::Strict),
        token(30, "another aud", user_but(json!({ "aud": "admin" }))).on(Project::Strict),
        token(30, "aud without ours", user_but(json!({ "aud": ["a", "b"] }))).on(Project::Strict),
        token(30, "an empty aud", user_but(json!({ "aud": [] }))).on(Project::Strict),
        token(30, "aud with ours", user_but(json!({ "aud": ["a", "authenticated"] })))
            .on(Project::Strict)
            .is("authenticated"),
        token(31, "no iss", user_but(json!({ "iss": null }))).on(Project::Strict),
        token(31, "another iss", user_but(json!({ "iss": "https://other.supabase.co/auth/v1" })))
            .on(Project::Strict),
        token(31, "iss and a slash", user_but(json!({ "iss": "http://127.0.0.1:54321/auth/v1/" })))
            .on(Project::Strict),
        token(31, "an API key's iss for a user", user_but(json!({ "iss": "supabase" }))).on(Project::Strict),
        token(32, "no sub: the database decides", user_but(json!({ "sub": null }))).is("authenticated"),
        token(32, "sub is no UUID: the database decides", user_but(json!({ "sub": "auth0|1" })))
            .is("authenticated"),
        token(32, "sub a number", user_but(json!({ "sub": 1 }))),
        token(33, "no role is the anonymous one", user_but(json!({ "role": null }))).is("anon"),
        token(33, "role null", raw(&format!(r#"{{"role":null,"exp":{}}}"#, now() + 60))),
        token(38, "9 KB of claims", user_but(json!({ "app_metadata": "x".repeat(9_000) }))).gets(431),
    ];
    for role in [
        json!(["service_role"]),
        json!("postgres"),
        json!("supabase_admin"),
        json!("authenticator"),
        json!("\"anon\""),
        json!("anon; drop table x"),
        json!("service_role\0"),
        json!("Service_Role"),
        json!(""),
        json!(1),
        json!({}),
    ] {
        table.push(token(33, &role.to_string(), user_but(json!({ "role": role }))));
    }
    table
}
