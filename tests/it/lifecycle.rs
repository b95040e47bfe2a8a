//! Start, stop, start again; two at once; a foreign Postgres.

use std::sync::Arc;

use isobase_base::observe::Observer;
use isobase_base::progress::Silent;
use isobase_postgres::{Cluster, ClusterConfig};

use crate::app::{ALICE, Project};

#[tokio::test]
async fn the_quickstart_starts_stops_and_keeps_its_data() {
    let app = Project::quickstart().start().await;
    let created =
        app.user(ALICE, "POST", "/rest/v1/todos").json(&serde_json::json!({ "title": "stay" })).send().await;
    assert_eq!(created.status, 201, "{}", created.text());
    let log = app.project.log();
    let steps: Vec<_> = log.lines().filter(|line| line.starts_with("done: Preparing the database")).collect();
    assert_eq!(steps.len(), 1, "each step is told once: {steps:?}");

    let app = app.stop().await.start().await;
    let found = app.user(ALICE, "GET", "/rest/v1/todos?title=eq.stay&select=title").send().await;
    assert_eq!(found.json(), serde_json::json!([{ "title": "stay" }]));
}

#[tokio::test]
async fn a_second_start_on_the_same_folder_is_refused() {
    let app = Project::empty().start().await;
    let output = app
        .project
        .command(&["start", "--port", "0", "--db-port", "0", "--admin-port", "0"])
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(text.contains(&app.process_id().to_string()), "names the process: {text}");
    assert_eq!(app.call("GET", "/functions/v1/_internal/health").send().await.status, 200);
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let project = Project::empty();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", project.api_port())).unwrap();
    let mut child = project.spawn();
    assert!(!child.wait().await.unwrap().success());
    let log = project.log();
    assert!(log.contains(&project.api_port().to_string()) && log.contains("api.port"), "{log}");
}

#[tokio::test]
async fn a_postgres_of_your_own_serves_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let config = ClusterConfig { port: 0, ..ClusterConfig::new(folder.path()) };
    let cluster = Cluster::start(config, Arc::new(Silent), Observer::default()).await.unwrap();
    let url = cluster.superuser_url().to_owned();
    let guest = Project::quickstart().with_db_url(&url).start().await;
    let found = guest.anon("GET", "/rest/v1/todos?select=title&order=title").send().await;
    assert_eq!(
        found.json(),
        serde_json::json!([{ "title": "Read the README" }, { "title": "Share this list" }])
    );
}

#[tokio::test]
async fn health_and_metrics_are_on_the_admin_port() {
    let app = Project::empty().start().await;
    assert_eq!(app.admin("/live").send().await.status, 200);
    assert_eq!(app.admin("/ready").send().await.status, 200);
    app.anon("GET", "/rest/v1/nothing_here").send().await;
    let metrics = app.admin("/metrics").send().await.text();
    assert!(metrics.contains("isobase_requests_total{surface=\"rest\""), "{metrics}");
    assert_eq!(app.call("GET", "/metrics").send().await.status, 404, "not on the public port");
}

#[tokio::test]
async fn work_after_a_response_survives_a_save_and_a_stop() {
    let project = Project::empty();
    project.configure("[functions.later]\nverify_jwt = false");
    project.write(
        "supabase/migrations/20260101000000_done.sql",
        "create table done (what text); grant all on done to anon;",
    );
    let source = |answer: &str| {
        format!(
            "import * as database from 'isobase:host/database';
            Deno.serve(() => {{
                EdgeRuntime.waitUntil((async () => {{
                    await new Promise((resolve) => setTimeout(resolve, 1000));
                    await database.query(\"insert into done values ('{answer}')\");
                }})());
                return new Response('{answer}');
            }})"
        )
    };
    project.function("later", &source("first"));
    let app = project.start().await;
    let answer = async || app.call("GET", "/functions/v1/later").send().await.text();
    assert_eq!(answer().await, "first");
    app.project.function("later", &source("second"));
    app.until("the edit is served", || async { answer().await == "second" }).await;

    let app = app.stop().await.start().await;
    let done = app.sql("select distinct what from done order by what").await;
    assert_eq!(done, [[Some("first".to_owned())], [Some("second".to_owned())]]);
}
