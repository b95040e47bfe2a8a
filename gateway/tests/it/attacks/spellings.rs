//! Groups 4, 13, 44 and 45: what holds around the tokens themselves.

use isobase_gateway::keys::{KeyConfig, KeyState};
use jsonwebtoken::Algorithm;

use crate::client::{self, request};
use crate::harness::TestGateway;
use crate::keyring::{self, ec, user, user_by};

/// Groups 4 and 13: a key that is revoked while the gateway runs, its token cached.
#[tokio::test]
async fn a_revocation_holds_from_the_next_request_on() {
    let gateway = TestGateway::start().await;
    let by_ec = format!("Authorization: Bearer {}", user_by(&ec(), Algorithm::ES256, "ec"));
    let by_secret = format!("Authorization: Bearer {}", user());
    for header in [&by_ec, &by_secret, &by_ec, &by_secret] {
        assert_eq!(gateway.send("GET /rest/v1/t", &[header]).await.status, 200);
    }
    let mut keys = keyring::asymmetric_only();
    keys.jwks[0].state = KeyState::Revoked;
    gateway.gateway.replace_keys(&keys).unwrap();
    for header in [&by_ec, &by_secret] {
        assert_eq!(gateway.send("GET /rest/v1/t", &[header]).await.status, 401);
    }
    let broken = KeyConfig { jwt_secret: Some("short".into()), ..KeyConfig::default() };
    assert!(gateway.gateway.replace_keys(&broken).is_err());
    keys.jwks[0].state = KeyState::PreviouslyUsed;
    gateway.gateway.replace_keys(&keys).unwrap();
    assert_eq!(gateway.send("GET /rest/v1/t", &[&by_ec]).await.status, 200);
}

/// Group 44: what only the gateway may say, said by a client.
#[tokio::test]
async fn a_client_cannot_speak_for_the_gateway() {
    let gateway = TestGateway::start().await;
    let forged = [
        "sb-api-key: forged",
        "sb-request-id: forged",
        "x-request-id: forged",
        "x-sb-role: forged",
        "x-forwarded-for: 6.6.6.6",
        "x-forwarded-host: forged",
        "x-forwarded-proto: forged",
        "x-forwarded-port: forged",
        "x-forwarded-prefix: forged",
        "x-forwarded-user: forged",
        "forwarded: for=forged",
        "x-real-ip: forged",
        "x-api-key: forged",
        "request.jwt.claims: forged",
        "x_forwarded_for: forged",
        "Connection: authorization, x-hop",
        "x-hop: forged",
        "Keep-Alive: forged",
        "TE: forged",
        "Proxy-Authorization: forged",
        "traceparent: forged",
    ];
    for target in ["GET /rest/v1/t", "GET /functions/v1/any"] {
        let authorization = format!("authorization: Bearer {}", user());
        let mut lines = forged.to_vec();
        lines.push(&authorization);
        let reply = gateway.send(target, &lines).await;
        let seen = reply.json();
        assert!(!seen.to_string().contains("forged") && !seen.to_string().contains("6.6.6.6"), "{seen:#}");
        assert_eq!(seen["role"], "authenticated", "`Connection` cannot name credentials away");
        assert_eq!(seen["client"], "127.0.0.1");
        assert_eq!(reply.header("sb-request-id"), seen["request_id"].as_str());
    }
}

/// Group 45: no spelling of a path reaches a function that wants a key through a route that does
/// not, or past the route's own check.
#[tokio::test]
async fn no_spelling_of_a_path_goes_round_a_check() {
    let gateway = TestGateway::start().await;
    for path in [
        "/functions/v1/locked",
        "//functions//v1///locked",
        "/functions/v1/locked/",
        "/functions/v1/open/../locked",
        "/functions/v1/open/..;/locked",
        "/functions/v1/open/%2e%2e/locked",
        "/functions/v1/open/.%2E/locked",
        "/functions/v1/open%2f..%2flocked",
        "/functions/v1/open\\..\\locked",
        "/functions/v1/open%5c..%5clocked",
        "/functions/v1/./locked",
        "/functions/v1/%6cocked",
        "/functions/v1/locked%00",
        "/functions/v1/locked;x",
        "/functions/v1/locked.",
        "/functions/v1;x/locked",
        "/FUNCTIONS/v1/locked",
        "/functions/v1/_internal/health/../../locked",
        "/functions/v1/_internal/health/locked",
        "/auth/v1/.well-known/jwks.json/../../../functions/v1/locked",
        "/functions/v1./locked",
        "http://localhost:54321/functions/v1/locked",
        "http://evil@localhost:54321/functions/v1/locked",
        "/functions/v1/locked#",
        "locked",
        "*",
    ] {
        let reply = client::send(gateway.address, request(&format!("GET {path}"), &[])).await;
        let status = reply.as_ref().map_or(400, |reply| reply.status);
        assert!([400, 401, 404].contains(&status), "{path}: {status}");
        assert_eq!(gateway.invoked(), 0, "{path}");
    }
}
