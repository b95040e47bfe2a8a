//! Cross-origin requests (group 48 of the attack table is here).

use expect_test::expect;

use crate::client::Reply;
use crate::harness::TestGateway;

fn cors_headers(reply: &Reply) -> String {
    let is_cors = |name: &str| name.starts_with("access-control-") || name == "vary";
    let mut lines: Vec<String> = reply
        .headers
        .iter()
        .filter(|(name, _)| is_cors(name))
        .map(|(name, value)| format!("{name}: {value}\n"))
        .collect();
    lines.sort();
    format!("{}\n{}", reply.status, lines.concat())
}

const ORIGIN: &str = "Origin: http://app.example";
const ASKS: &str = "Access-Control-Request-Method: POST";

#[tokio::test]
async fn the_data_api_answers_preflights_itself() {
    let gateway = TestGateway::start().await;
    let asks = "Access-Control-Request-Headers: apikey,authorization, x-client-info";
    let reply = gateway.send("OPTIONS /rest/v1/todos", &[ORIGIN, ASKS, asks]).await;
    expect![[r#"
        200
        access-control-allow-headers: Authorization, apikey, authorization, x-client-info, Accept, Accept-Language, Content-Language
        access-control-allow-methods: GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD
        access-control-allow-origin: *
        access-control-max-age: 86400
    "#]].assert_eq(&cors_headers(&reply));
    assert_eq!(gateway.invoked(), 0);
    assert_eq!(gateway.send("OPTIONS /rest/v1/todos", &[]).await.json()["method"], "OPTIONS", "no preflight");
}

#[tokio::test]
async fn responses_are_marked_for_pages_only() {
    let gateway = TestGateway::start().await;
    let reply = gateway.send("GET /rest/v1/todos", &[ORIGIN]).await;
    expect![[r#"
        200
        access-control-allow-origin: *
        access-control-expose-headers: Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, Transfer-Encoding, Range-Unit, ETag, Link
    "#]].assert_eq(&cors_headers(&reply));
    let refused = gateway.send("GET /rest/v1/todos", &[ORIGIN, "Authorization: Bearer x"]).await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, Some("*")));
    let plain = gateway.send("GET /rest/v1/todos", &[]).await;
    assert_eq!(cors_headers(&plain), "200\n");
}

#[tokio::test]
async fn credentials_go_with_named_origins_only() {
    let gateway = TestGateway::with(|config| config.cors_origins = vec!["http://app.example".into()]).await;
    let reply = gateway.send("GET /rest/v1/todos", &[ORIGIN]).await;
    expect![[r#"
        200
        access-control-allow-credentials: true
        access-control-allow-origin: http://app.example
        access-control-expose-headers: Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, Transfer-Encoding, Range-Unit, ETag, Link
        vary: Origin
    "#]].assert_eq(&cors_headers(&reply));
    for other in ["null", "http://app.example.evil", "https://app.example", "http://app.example:80", "*"] {
        for line in ["GET /rest/v1/todos", "OPTIONS /rest/v1/todos"] {
            let reply = gateway.send(line, &[&format!("Origin: {other}"), ASKS]).await;
            assert_eq!(reply.header("access-control-allow-origin"), None, "{other}");
            assert_eq!(reply.header("access-control-allow-credentials"), None, "{other}");
        }
    }
}

#[tokio::test]
async fn functions_speak_for_themselves() {
    let gateway = TestGateway::start().await;
    for function in ["any", "locked"] {
        let reply = gateway.send(&format!("OPTIONS /functions/v1/{function}"), &[ORIGIN, ASKS]).await;
        assert_eq!(cors_headers(&reply), "200\n", "passed through without a key, nothing added");
        assert_eq!(reply.json()["method"], "OPTIONS");
    }
    let refused = gateway.send("GET /functions/v1/locked", &[ORIGIN]).await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, Some("*")));
}
