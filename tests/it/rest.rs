//! The data API through the whole host: keys, roles, row level security.

use serde_json::json;

use crate::app::{ALICE, BOB, Project};

#[tokio::test]
async fn row_level_security_decides_for_every_caller() {
    let app = Project::quickstart().start().await;
    let titles = "/rest/v1/todos?select=title&order=id";

    let anon = app.anon("GET", titles).send().await;
    assert_eq!(anon.json(), json!([{ "title": "Read the README" }, { "title": "Share this list" }]));
    let alice = app.user(ALICE, "GET", titles).send().await;
    assert_eq!(
        alice.json(),
        json!([{ "title": "Read the README" }, { "title": "Write a function" }, { "title": "Share this list" }])
    );
    let service = app.service("GET", titles).send().await;
    assert_eq!(service.json().as_array().map(Vec::len), Some(4));

    let denied = app.anon("POST", "/rest/v1/todos").json(&json!({ "title": "x", "owner": BOB })).send().await;
    assert_eq!(denied.status, 401, "{}", denied.text());
    assert_eq!(denied.json()["code"], "42501");
    let forged =
        app.user(ALICE, "POST", "/rest/v1/todos").json(&json!({ "title": "x", "owner": BOB })).send().await;
    assert_eq!(forged.status, 403, "{}", forged.text());
}

#[tokio::test]
async fn writes_read_back_what_they_did() {
    let app = Project::quickstart().start().await;
    let created = app
        .user(ALICE, "POST", "/rest/v1/todos?select=title,done")
        .header("prefer", "return=representation")
        .json(&json!([{ "title": "one" }, { "title": "two" }]))
        .send()
        .await;
    assert_eq!(
        (created.status.as_u16(), created.json()),
        (
            201,
            json!([
                { "title": "one", "done": false }, { "title": "two", "done": false }
            ])
        )
    );
    let updated = app
        .user(ALICE, "PATCH", "/rest/v1/todos?title=eq.one&select=title,done")
        .header("prefer", "return=representation")
        .json(&json!({ "done": true }))
        .send()
        .await;
    assert_eq!(updated.json(), json!([{ "title": "one", "done": true }]));
    let removed = app.user(ALICE, "DELETE", "/rest/v1/todos?title=eq.two").send().await;
    assert_eq!(removed.status, 204);
    let open = app.user(ALICE, "POST", "/rest/v1/rpc/open_todos").json(&json!({})).send().await;
    assert_eq!(open.json(), json!(2));
}

#[tokio::test]
async fn a_new_table_is_served_without_a_restart() {
    let app = Project::empty().start().await;
    app.sql("create table public.fresh (id int primary key); grant select on public.fresh to anon").await;
    app.until("the new table is served", || async {
        app.anon("GET", "/rest/v1/fresh").send().await.status == 200
    })
    .await;
}
