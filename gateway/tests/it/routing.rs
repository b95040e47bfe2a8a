//! Where requests go, and what the function at the other end sees of them.

use expect_test::expect;

use crate::client::{self, request};
use crate::harness::TestGateway;

#[tokio::test]
async fn functions_see_their_part_of_the_path() {
    let gateway = TestGateway::start().await;
    let mut table = String::new();
    for line in [
        "GET /rest/v1",
        "GET /rest/v1/",
        "GET /rest/v1/todos?select=*&id=eq.1",
        "GET /rest/v1/todos?apikey=sb_publishable_AAAAAAAAAAAAAAAAAAAAAA_BBBBBBBB&id=eq.1",
        "GET /rest/v1/todos?apikey=sb_publishable_AAAAAAAAAAAAAAAAAAAAAA_BBBBBBBB",
        "GET //rest//v1//rpc//f",
        "GET /rest/v1/caf%C3%A9%20x",
        "PUT /functions/v1/any",
        "POST /functions/v1/any/",
        "DELETE /functions/v1/any/a/b.c?d=e&apikey=own",
        "OPTIONS /functions/v1/any",
        "HEAD /functions/v1/any",
    ] {
        let reply = gateway.send(line, &[]).await;
        let seen = match reply.body.is_empty() {
            true => format!("{} bytes announced", reply.header("content-length").is_some()),
            false => reply.json()["target"].to_string() + " " + reply.json()["uri"].as_str().unwrap(),
        };
        table.push_str(&format!("{line} -> {} {seen}\n", reply.status));
    }
    expect![[r#"
        GET /rest/v1 -> 200 "builtin:rest" http://localhost:54321/
        GET /rest/v1/ -> 200 "builtin:rest" http://localhost:54321/
        GET /rest/v1/todos?select=*&id=eq.1 -> 200 "builtin:rest" http://localhost:54321/todos?select=*&id=eq.1
        GET /rest/v1/todos?apikey=sb_publishable_AAAAAAAAAAAAAAAAAAAAAA_BBBBBBBB&id=eq.1 -> 200 "builtin:rest" http://localhost:54321/todos?id=eq.1
        GET /rest/v1/todos?apikey=sb_publishable_AAAAAAAAAAAAAAAAAAAAAA_BBBBBBBB -> 200 "builtin:rest" http://localhost:54321/todos
        GET //rest//v1//rpc//f -> 200 "builtin:rest" http://localhost:54321/rpc/f
        GET /rest/v1/caf%C3%A9%20x -> 200 "builtin:rest" http://localhost:54321/caf%C3%A9%20x
        PUT /functions/v1/any -> 200 "any" http://localhost:54321/any
        POST /functions/v1/any/ -> 200 "any" http://localhost:54321/any/
        DELETE /functions/v1/any/a/b.c?d=e&apikey=own -> 200 "any" http://localhost:54321/any/a/b.c?d=e&apikey=own
        OPTIONS /functions/v1/any -> 200 "any" http://localhost:54321/any
        HEAD /functions/v1/any -> 200 true bytes announced
    "#]].assert_eq(&table);
}

#[tokio::test]
async fn what_is_not_there_is_said_in_the_surface_s_words() {
    let gateway = TestGateway::start().await;
    let mut table = String::new();
    for line in [
        "GET /",
        "GET /rest/v2/todos",
        "POST /auth/v1/token?grant_type=password",
        "GET /storage/v1/object/a/b",
        "GET /realtime/v1/websocket",
        "POST /graphql/v1",
        "GET /functions/v1/missing",
        "GET /functions/v1/not%20valid",
        "GET /functions/v1/",
        "PROPFIND /functions/v1/any",
        "TRACE /rest/v1/todos",
        "GET /rest/v1/a/../b",
        "GET /functions/v1/_internal/health",
    ] {
        let reply = gateway.send(line, &[]).await;
        table.push_str(&format!("{line} -> {} {}\n", reply.status, reply.text()));
    }
    expect![[r#"
        GET / -> 404 {"code":"NOT_FOUND","message":"No API is at this path; there are /rest/v1 and /functions/v1"}
        GET /rest/v2/todos -> 404 {"code":"NOT_FOUND","message":"No API is at this path; there are /rest/v1 and /functions/v1"}
        POST /auth/v1/token?grant_type=password -> 404 {"code":404,"error_code":"feature_disabled","msg":"This version of isobase has no auth API yet","message":"This version of isobase has no auth API yet"}
        GET /storage/v1/object/a/b -> 404 {"statusCode":"404","error":"feature_disabled","message":"This version of isobase has no storage API yet"}
        GET /realtime/v1/websocket -> 401 {"error":"Missing API key","message":"Missing API key"}
        POST /graphql/v1 -> 404 {"errors":[{"message":"This version of isobase has no graphql API yet","extensions":{"code":"feature_disabled"}}]}
        GET /functions/v1/missing -> 404 {"code":"NOT_FOUND","message":"Requested function was not found"}
        GET /functions/v1/not%20valid -> 404 {"code":"NOT_FOUND","message":"Requested function was not found"}
        GET /functions/v1/ -> 404 {"code":"NOT_FOUND","message":"Requested function was not found"}
        PROPFIND /functions/v1/any -> 405 {"code":"METHOD_NOT_ALLOWED","message":"Method not allowed"}
        TRACE /rest/v1/todos -> 405 {"code":"METHOD_NOT_ALLOWED","message":"Method not allowed","details":null,"hint":null}
        GET /rest/v1/a/../b -> 400 {"code":"INVALID_URL","message":"The path of the request is not valid"}
        GET /functions/v1/_internal/health -> 200 {"message":"ok"}
    "#]].assert_eq(&table);
}

#[tokio::test]
async fn jwks_are_public_cacheable_and_without_secrets() {
    let gateway = TestGateway::start().await;
    let reply = gateway.send("GET /auth/v1/.well-known/jwks.json", &[]).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("cache-control"), Some("public, max-age=600"));
    let keys = reply.json()["keys"].as_array().unwrap().clone();
    let ids: Vec<&str> = keys.iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(ids, ["ec", "rsa", "ed"], "revoked keys are not published");
    for key in keys {
        for member in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(member).is_none(), "{key}");
        }
        assert_eq!(key["key_ops"], serde_json::json!(["verify"]));
    }
    let tag = format!("If-None-Match: {}", reply.header("etag").unwrap());
    assert_eq!(gateway.send("GET /auth/v1/.well-known/jwks.json", &[&tag]).await.status, 304);
}

#[tokio::test]
async fn the_gateway_tells_functions_where_a_request_came_from() {
    let gateway = TestGateway::start().await;
    let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let reply = gateway.send("GET /functions/v1/any/x", &[trace, "X-Custom: kept"]).await;
    let seen = reply.json();
    let headers = &seen["headers"];
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(headers["x-forwarded-host"], "localhost:54321");
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(headers["x-forwarded-port"], gateway.address.port().to_string());
    assert_eq!(headers["x-forwarded-prefix"], "/functions/v1");
    assert_eq!(headers["x-custom"], "kept");
    assert_eq!(headers["sb-request-id"], seen["request_id"]);
    assert_eq!(seen["trace"], "4bf92f3577b34da6a3ce929d0e0e4736", "the trace goes on");
    let traceparent = headers["traceparent"].as_str().unwrap();
    assert!(traceparent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{traceparent}");
    assert!(!traceparent.contains("00f067aa0ba902b7"), "under a span of its own");
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_and_its_client_is_not() {
    let gateway =
        TestGateway::with(|config| config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()]).await;
    let lines = ["X-Forwarded-For: 6.6.6.6, 203.0.113.9", "X-Forwarded-Proto: https"];
    let seen = gateway.send("GET /functions/v1/any", &lines).await.json();
    assert_eq!(seen["client"], "203.0.113.9");
    assert_eq!(seen["headers"]["x-forwarded-for"], "203.0.113.9");
    assert_eq!(seen["uri"], "https://localhost:54321/any");
    let seen = gateway.send("GET /functions/v1/any", &["X-Forwarded-For: nonsense"]).await.json();
    assert_eq!(seen["client"], "127.0.0.1");
}

#[tokio::test]
async fn a_request_from_inside_the_process_meets_the_same_stack() {
    let gateway = TestGateway::start().await;
    let peer = isobase_gateway::Peer::new("127.0.0.1:1".parse().unwrap(), 54321);
    for (uri, status) in [
        ("http://localhost:54321/functions/v1/any", 200),
        ("http://localhost:54321/functions/v1/locked", 401),
    ] {
        let request = http::Request::get(uri).body(isobase_base::Body::Empty).unwrap();
        let response = gateway.gateway.call(&peer, request).await;
        assert_eq!(response.status(), status);
        assert!(response.headers().contains_key("sb-request-id"));
        assert!(!response.into_body().collect(10_000).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn http_1_0_needs_no_host_and_is_closed_after_its_answer() {
    let gateway = TestGateway::start().await;
    let mut wire = client::Wire::open(gateway.address).await;
    wire.write("GET /functions/v1/any HTTP/1.0\r\n\r\n").await;
    assert_eq!(wire.reply().await.unwrap().status, 200);
    assert!(wire.is_closed().await);
    assert_eq!(
        client::send(gateway.address, request("GET /rest/v1/x", &["Host: b"])).await.unwrap().status,
        400
    );
}
