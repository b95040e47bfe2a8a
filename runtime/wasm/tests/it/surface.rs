//! What a guest sees of its request and of the host.

use std::collections::BTreeMap;

use http::Request;
use isobase_base::Body;
use isobase_engine::Reuse;
use serde_json::{Value, json};

use crate::harness::{ask, boot, context, get, limits, text};

#[tokio::test]
async fn a_guest_sees_the_request_as_it_was() {
    let worker = boot(Reuse::Fresh, limits()).await;
    let request = Request::delete("/head/a%20b?x=1&y=%20")
        .header("host", "project.example:8000")
        .header("x-many", "1")
        .header("content-type", "text/plain")
        .body(Body::Empty)
        .unwrap();
    let seen: Value = serde_json::from_str(&ask(&*worker, request).await.unwrap().body).unwrap();
    let wanted = json!({
        "method": "DELETE", "path": "/head/a%20b", "query": "x=1&y=%20", "authority": "project.example:8000",
        "headers": {"x-many": "1", "content-type": "text/plain"},
    });
    assert_eq!(seen, wanted);
}

/// A trigger inside the host names no authority.
#[tokio::test]
async fn a_request_without_a_host_is_served() {
    let worker = boot(Reuse::Fresh, limits()).await;
    let request = Request::get("/head").body(Body::Empty).unwrap();
    let seen: Value = serde_json::from_str(&ask(&*worker, request).await.unwrap().body).unwrap();
    assert_eq!(seen["authority"], "localhost");
}

#[tokio::test]
async fn a_guest_sees_its_own_environment_only() {
    let worker = boot(Reuse::Fresh, limits()).await;
    let mut seen: BTreeMap<String, String> =
        serde_json::from_str(&text(&*worker, "/environment").await).unwrap();
    assert_eq!(seen.remove("SB_EXECUTION_ID").map(|id| id.len()), Some(36));
    assert!(seen.remove("DENO_DEPLOYMENT_ID").is_some_and(|id| id.starts_with("local_")));
    assert_eq!(seen, BTreeMap::from([("GREETING".into(), "hello".into())]));
}

#[tokio::test]
async fn a_guest_knows_its_caller() {
    let worker = boot(Reuse::Sequential, limits()).await;
    for _ in 0..2 {
        let context = context();
        let response = worker.invoke(get("/caller"), context.clone()).await.unwrap();
        let body = response.into_body().collect(1 << 20).await.unwrap();
        let wanted = json!({
            "role": "anon", "claims": {"role": "anon"},
            "request_id": context.request_id.to_string(), "traceparent": context.trace.to_string(),
        });
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), wanted);
    }
}

#[tokio::test]
async fn without_a_database_statements_fail_and_the_guest_lives() {
    let worker = boot(Reuse::Fresh, limits()).await;
    for path in ["/sql", "/sql-document", "/sql-body", "/sql-stream", "/sql-transaction?q=select%201"] {
        let reply = ask(&*worker, get(path)).await.unwrap();
        assert_eq!(reply.status, 400, "{path}");
        assert!(reply.body.contains("runs without a database"), "{path}: {}", reply.body);
    }
    assert_eq!(text(&*worker, "/generation?channel=pgrst").await, "0");
}
