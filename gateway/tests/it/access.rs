//! Every route × every kind of caller. A change of this table is a change of who may do what.

use expect_test::{expect, expect_file};
use serde_json::json;

use crate::harness::TestGateway;
use crate::keyring::{PUBLISHABLE, SECRET_KEY, api_key, now, user, user_but};

fn callers() -> Vec<(&'static str, Vec<String>)> {
    let bearer = |token: String| format!("Authorization: Bearer {token}");
    vec![
        ("no key", vec![]),
        ("anon key", vec![format!("apikey: {}", api_key("anon")), bearer(api_key("anon"))]),
        ("apikey only", vec![format!("apikey: {}", api_key("anon"))]),
        ("publishable", vec![format!("apikey: {PUBLISHABLE}"), bearer(PUBLISHABLE.into())]),
        ("user", vec![format!("apikey: {}", api_key("anon")), bearer(user())]),
        ("user, no apikey", vec![bearer(user())]),
        ("expired", vec![format!("apikey: {PUBLISHABLE}"), bearer(user_but(json!({ "exp": now() - 3600 })))]),
        (
            "wrong role",
            vec![format!("apikey: {PUBLISHABLE}"), bearer(user_but(json!({ "role": "postgres" })))],
        ),
        ("malformed", vec![format!("apikey: {PUBLISHABLE}"), bearer("undefined".into())]),
        ("unknown key", vec!["apikey: sb_secret_unknown".into()]),
        ("service", vec![format!("apikey: {SECRET_KEY}"), bearer(api_key("service_role"))]),
    ]
}

async fn table(gateway: &TestGateway) -> String {
    let mut table = String::new();
    for target in [
        "GET /rest/v1/todos",
        "POST /functions/v1/any",
        "POST /functions/v1/locked",
        "OPTIONS /functions/v1/locked",
        "GET /functions/v1/_internal/health",
        "GET /auth/v1/.well-known/jwks.json",
        "GET /auth/v1/user",
        "GET /storage/v1/bucket",
        "GET /graphql/v1",
        "GET /realtime/v1/api/x",
        "GET /unknown",
    ] {
        table.push_str(target);
        table.push('\n');
        for (caller, headers) in callers() {
            let lines: Vec<&str> = headers.iter().map(String::as_str).collect();
            let reply = gateway.send(target, &lines).await;
            let outcome = match reply.status {
                200 if reply.text().contains("\"role\"") => reply.json()["role"].as_str().unwrap().to_owned(),
                _ => reply.header("sb-error-code").unwrap_or_default().to_owned(),
            };
            table.push_str(&format!("  {caller}: {} {outcome}\n", reply.status));
        }
    }
    table
}

#[tokio::test]
async fn every_route_and_every_caller() {
    let gateway = TestGateway::start().await;
    expect_file!["golden/routes_by_caller.txt"].assert_eq(&table(&gateway).await);
}

#[tokio::test]
async fn the_data_api_can_demand_a_key() {
    let gateway = TestGateway::with(|config| config.require_apikey = true).await;
    let table = table(&gateway).await;
    let (data_api, _) = table.split_once("POST").unwrap();
    expect![[r#"
        GET /rest/v1/todos
          no key: 401 NO_API_KEY
          anon key: 200 anon
          apikey only: 200 anon
          publishable: 200 anon
          user: 200 authenticated
          user, no apikey: 401 NO_API_KEY
          expired: 401 PGRST303
          wrong role: 401 PGRST303
          malformed: 401 PGRST301
          unknown key: 401 INVALID_API_KEY
          service: 200 service_role
    "#]]
    .assert_eq(data_api);
}

#[tokio::test]
async fn refusals_of_the_data_api_are_postgrest_s() {
    let gateway = TestGateway::start().await;
    let expired = format!("Authorization: Bearer {}", user_but(json!({ "exp": now() - 3600 })));
    let reply = gateway.send("GET /rest/v1/todos", &[&expired]).await;
    expect![[r#"{"code":"PGRST303","message":"JWT expired","details":null,"hint":null}"#]]
        .assert_eq(&reply.text());
    expect![[r#"Bearer error="invalid_token", error_description="JWT expired""#]]
        .assert_eq(reply.header("www-authenticate").unwrap());
    let reply = gateway.send("GET /rest/v1/todos", &["Authorization: Bearer undefined"]).await;
    expect![[r#"{"code":"PGRST301","message":"Expected 3 parts in JWT; got 1","details":null,"hint":null}"#]]
        .assert_eq(&reply.text());
    let forged = format!("Authorization: Bearer {}A", user());
    let reply = gateway.send("GET /rest/v1/todos", &[&forged]).await;
    assert_eq!((reply.status, reply.json()["code"].as_str()), (401, Some("PGRST301")));
}
