//! User functions: `verify_jwt`, API keys, and how failures are told.

use expect_test::expect;
use jsonwebtoken::Algorithm;

use crate::harness::TestGateway;
use crate::keyring::{self, PUBLISHABLE, SECRET_KEY, api_key, ec, ec_other, user, user_by, with_header};

#[tokio::test]
async fn refusals_carry_supabase_s_codes() {
    let gateway = TestGateway::start().await;
    let bearer = |token: String| vec![format!("Authorization: Bearer {token}")];
    let forged = format!("{}AAAA", user());
    let mut table = String::new();
    for (what, headers) in [
        ("nothing", vec![]),
        ("an anon apikey alone", vec![format!("apikey: {}", api_key("anon"))]),
        ("Basic", vec!["Authorization: Basic YTpi".into()]),
        ("no token", bearer("x".into())),
        ("HS256", bearer(forged)),
        ("ES256", bearer(user_by(&ec_other(), Algorithm::ES256, "ec"))),
        ("none", bearer(with_header(r#"{"alg":"none"}"#))),
        ("HS512", bearer(with_header(r#"{"alg":"HS512"}"#))),
        ("unknown API key", bearer("sb_secret_x".into())),
        ("a good one", bearer(user_by(&ec(), Algorithm::ES256, "ec"))),
    ] {
        let lines: Vec<&str> = headers.iter().map(String::as_str).collect();
        let reply = gateway.send("POST /functions/v1/locked", &lines).await;
        let body = if reply.status == 200 { reply.json()["role"].to_string() } else { reply.text() };
        table.push_str(&format!("{what}: {} {body}\n", reply.status));
    }
    expect![[r#"
        nothing: 401 {"code":"UNAUTHORIZED_NO_AUTH_HEADER","message":"Missing authorization header","msg":"Missing authorization header"}
        an anon apikey alone: 401 {"code":"UNAUTHORIZED_NO_AUTH_HEADER","message":"Missing authorization header","msg":"Missing authorization header"}
        Basic: 401 {"code":"UNAUTHORIZED_INVALID_JWT_FORMAT","message":"Auth header is not 'Bearer {token}'","msg":"Auth header is not 'Bearer {token}'"}
        no token: 401 {"code":"UNAUTHORIZED_INVALID_JWT_FORMAT","message":"Invalid Token or Protected Header formatting","msg":"Invalid Token or Protected Header formatting"}
        HS256: 401 {"code":"UNAUTHORIZED_LEGACY_JWT","message":"Invalid JWT","msg":"Invalid JWT"}
        ES256: 401 {"code":"UNAUTHORIZED_ASYMMETRIC_JWT","message":"Invalid JWT","msg":"Invalid JWT"}
        none: 401 {"code":"UNAUTHORIZED_UNSUPPORTED_TOKEN_ALGORITHM","message":"Unsupported JWT algorithm","msg":"Unsupported JWT algorithm"}
        HS512: 401 {"code":"UNAUTHORIZED_UNSUPPORTED_TOKEN_ALGORITHM","message":"Unsupported JWT algorithm","msg":"Unsupported JWT algorithm"}
        unknown API key: 401 {"code":"UNAUTHORIZED_INVALID_JWT_FORMAT","message":"Invalid API key","msg":"Invalid API key"}
        a good one: 200 "authenticated"
    "#]].assert_eq(&table);
}

#[tokio::test]
async fn opaque_keys_arrive_as_tokens() {
    let gateway = TestGateway::start().await;
    for (key, role) in [(PUBLISHABLE, "anon"), (SECRET_KEY, "service_role")] {
        for header in [format!("apikey: {key}"), format!("Authorization: Bearer {key}")] {
            let seen = gateway.send("POST /functions/v1/locked", &[&header]).await.json();
            assert_eq!(seen["role"], role);
            assert_eq!(seen["headers"]["sb-api-key"], api_key(role));
            let name = header.split(':').next().unwrap().to_lowercase();
            assert_eq!(
                seen["headers"][name],
                header.split_once(": ").unwrap().1,
                "what the client sent stays"
            );
        }
    }
    let bearer = format!("Authorization: Bearer {}", user());
    let key = format!("apikey: {SECRET_KEY}");
    let seen = gateway.send("POST /functions/v1/locked", &[&bearer, &key]).await.json();
    assert_eq!(seen["role"], "authenticated", "the token decides");
    assert_eq!(
        seen["headers"]["sb-api-key"],
        api_key("service_role"),
        "the key that opened the door is told"
    );
    let seen = gateway.send("POST /functions/v1/any", &[&bearer]).await.json();
    assert!(seen["headers"].get("sb-api-key").is_none());
}

#[tokio::test]
async fn a_function_without_verification_gets_what_there_is() {
    let gateway = TestGateway::start().await;
    let good = format!("Authorization: Bearer {}", user());
    for (header, role) in [
        (good.as_str(), "authenticated"),
        ("Authorization: Bearer a.b.c", "anon"),
        ("Authorization: Bearer whsec_another_service", "anon"),
        ("Authorization: Basic YTpi", "anon"),
        ("X-Nothing: x", "anon"),
    ] {
        let seen = gateway.send("POST /functions/v1/any", &[header]).await.json();
        assert_eq!(seen["role"], role, "{header}");
        if let Some(value) = header.strip_prefix("Authorization: ") {
            assert_eq!(seen["headers"]["authorization"], value);
        }
    }
}

#[tokio::test]
async fn failures_are_told_without_their_details() {
    let gateway = TestGateway::start().await;
    let mut table = String::new();
    for kind in ["boot", "cpu", "idle", "overloaded", "crashed"] {
        let reply = gateway.send(&format!("GET /functions/v1/fail-{kind}"), &[]).await;
        let retry = reply.header("retry-after").unwrap_or("-");
        assert_eq!(reply.header("sb-error-code"), reply.json()["code"].as_str());
        table.push_str(&format!("{kind}: {} {} retry {retry}\n", reply.status, reply.text()));
    }
    expect![[r#"
        boot: 503 {"code":"BOOT_ERROR","message":"Worker failed to boot (please check logs)"} retry -
        cpu: 546 {"code":"WORKER_RESOURCE_LIMIT","message":"Function failed due to not having enough compute resources (please check logs)"} retry -
        idle: 504 {"code":"IDLE_TIMEOUT","message":"The request idle timeout was reached before the function responded"} retry -
        overloaded: 503 {"code":"WORKER_OVERLOADED","message":"All workers of this function are busy; retry shortly"} retry 1
        crashed: 500 {"code":"WORKER_ERROR","message":"Function exited due to an error (please check logs)"} retry -
    "#]].assert_eq(&table);
}

#[tokio::test]
async fn a_lying_response_cannot_bend_the_wire() {
    let gateway = TestGateway::start().await;
    let reply = gateway.send("GET /functions/v1/liar", &[]).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "four"));
    for header in ["transfer-encoding", "connection", "keep-alive"] {
        assert_eq!(reply.header(header), None);
    }
    for status in ["early", "switch"] {
        let reply = gateway.send(&format!("GET /functions/v1/liar?{status}"), &[]).await;
        assert_eq!(
            (reply.status, reply.header("sb-error-code")),
            (500, Some("INVALID_RESPONSE_STATUS_CODE"))
        );
    }
}

/// The keys of the CLI's local stack, as published in its source: same secret, same claims, same bytes.
#[test]
fn legacy_keys_are_derived_as_the_cli_derives_them() {
    assert_eq!(
        keyring::api_key("anon"),
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJzdXBhYmFzZS1kZW1vIiwicm9sZSI6ImFub24iLCJleHAiOjE5ODM4MTI5OTZ9.CRXP1A7WOeoJeXxjNni43kdQwgnWNReilDMblYTn_I0"
    );
}
