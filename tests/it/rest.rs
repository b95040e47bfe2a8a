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

#[tokio::test]
async fn the_database_configures_the_data_api() {
    let project = Project::empty();
    project.write(
        "supabase/migrations/20260101000000_settings.sql",
        "create schema personal;
         create table personal.note (id int primary key);
         insert into personal.note values (1), (2), (3);
         grant usage on schema personal to anon;
         grant select on personal.note to anon;
         alter role authenticator set pgrst.db_schemas to 'public, personal';
         alter role authenticator set pgrst.db_aggregates_enabled to 'true';
         alter role authenticator set pgrst.db_max_rows to '3';
         alter role authenticator in database postgres set pgrst.db_max_rows to '2';",
    );
    let app = project.start().await;
    let notes = |query: &str| {
        let call = app.anon("GET", &format!("/rest/v1/note?select={query}"));
        call.header("accept-profile", "personal").send()
    };
    assert_eq!(notes("id.sum()").await.json(), json!([{ "sum": 6 }]));
    assert_eq!(notes("id").await.json(), json!([{ "id": 1 }, { "id": 2 }]));
    app.sql("alter role authenticator in database postgres reset pgrst.db_max_rows").await;
    app.sql("notify pgrst, 'reload config'").await;
    app.until("the settings are read again", || async {
        notes("id").await.json() == json!([{ "id": 1 }, { "id": 2 }, { "id": 3 }])
    })
    .await;
}
