//! The data API and its database: what is noticed, what is stopped, what is undone.

use serde_json::json;

use crate::app::{ALICE, App, Project};

/// Server processes that run a statement which holds `marker`.
async fn running(app: &App, marker: &str) -> String {
    let sql = format!(
        "select count(*)::text from pg_stat_activity \
         where state = 'active' and query like '%{marker}%' and pid <> pg_backend_pid()"
    );
    app.host_sql(&sql).await.swap_remove(0).swap_remove(0).unwrap_or_default()
}

#[tokio::test]
async fn a_client_that_hangs_up_stops_its_statement() {
    let app = Project::empty().start().await;
    app.sql("create function public.slow() returns void language sql as 'select pg_sleep(120)'").await;
    app.until("the function is known", || async {
        app.user(ALICE, "OPTIONS", "/rest/v1/rpc/slow").send().await.status == 200
    })
    .await;
    let call = app.user(ALICE, "POST", "/rest/v1/rpc/slow").json(&json!({})).try_send();
    tokio::select! {
        answer = call => panic!("it was to be hung up on: {answer:?}"),
        () = app.until("the function runs", || async { running(&app, "\"slow\"(").await == "1" }) => {}
    }
    app.until("its statement was cancelled", || async { running(&app, "\"slow\"(").await == "0" }).await;
}

#[tokio::test]
async fn changes_that_nobody_was_told_of_are_seen_after_the_listener_reconnects() {
    let app = Project::empty().start().await;
    assert_eq!(app.anon("GET", "/rest/v1/late").send().await.status, 404);
    app.host_sql("alter event trigger pgrst_ddl_watch disable").await;
    app.sql("create table public.late (id int); grant select on public.late to anon").await;
    assert_eq!(app.anon("GET", "/rest/v1/late").send().await.status, 404);
    app.host_sql("select pg_terminate_backend(pid) from pg_stat_activity where query like 'LISTEN %'").await;
    app.until("the table is served", || async {
        app.anon("GET", "/rest/v1/late").send().await.status == 200
    })
    .await;
}

#[tokio::test]
async fn writes_of_too_many_rows_are_undone_and_counts_are_planned() {
    let app = Project::quickstart().start().await;
    let todos = "/rest/v1/todos?owner=not.is.null";
    let before = app.service("GET", todos).send().await.json();
    let object = "application/vnd.pgrst.object+json";
    let one = app.service("PATCH", todos).header("accept", object).json(&json!({ "done": true }));
    let refused = one.send().await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (406, &json!("PGRST116")));
    let few = app.service("DELETE", todos).header("prefer", "handling=strict,max-affected=0");
    let refused = few.send().await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (400, &json!("PGRST124")));
    assert_eq!(app.service("GET", todos).send().await.json(), before);

    let planned = app.service("GET", todos).header("prefer", "count=planned").send().await;
    let total = planned.header("content-range").and_then(|range| range.split_once('/'));
    assert!(total.is_some_and(|(_, total)| total.parse::<u64>().is_ok()), "{total:?}");
}
