//! Secrets: set from the command line, seen by functions at once, sealed in the database.

use std::sync::Arc;

use isobase_base::observe::Observer;
use isobase_base::progress::Silent;
use isobase_guests::COMPONENT;
use isobase_postgres::{Cluster, ClusterConfig};
use serde_json::{Value, json};

use crate::app::{App, Project};

const SHOW: &str =
    "Deno.serve(() => Response.json([Deno.env.get('PASSWORD') ?? null, Deno.env.get('OTHER') ?? null]))";

fn project() -> Project {
    let project = Project::empty();
    project.configure("[functions.show]\nverify_jwt = false\n[functions.pay]\nverify_jwt = false");
    project.function("show", SHOW);
    project.function("pay", SHOW);
    project
}

async fn run(project: &Project, arguments: &[&str]) -> (bool, String) {
    let output = project.command(arguments).output().await.expect("the binary runs");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

async fn shows(app: &App, slug: &str, wanted: Value) {
    app.until(&format!("{slug} shows {wanted}"), || async {
        app.call("GET", &format!("/functions/v1/{slug}")).send().await.json() == wanted
    })
    .await;
}

#[tokio::test]
async fn a_secret_is_seen_at_once_outlives_a_restart_and_lies_sealed() {
    let app = project().start().await;
    shows(&app, "show", json!([null, null])).await;
    let (ok, text) = run(&app.project, &["secrets", "set", "PASSWORD=hunter2 of all", "OTHER=x"]).await;
    assert!(ok && !text.contains("hunter2"), "{text}");
    shows(&app, "show", json!(["hunter2 of all", "x"])).await;
    let (ok, text) = run(&app.project, &["secrets", "set", "PASSWORD=own", "--function", "pay"]).await;
    assert!(ok, "{text}");
    shows(&app, "pay", json!(["own", "x"])).await;
    shows(&app, "show", json!(["hunter2 of all", "x"])).await;

    let (ok, text) = run(&app.project, &["secrets", "list", "--json"]).await;
    let list: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    assert!(ok && !text.contains("hunter2"), "{text}");
    let entries: Vec<_> =
        list.as_array().unwrap().iter().map(|one| (one["name"].clone(), one["function"].clone())).collect();
    assert_eq!(
        entries,
        [(json!("OTHER"), Value::Null), (json!("PASSWORD"), Value::Null), (json!("PASSWORD"), json!("pay"))]
    );
    // printf x | sha256sum
    assert_eq!(list[0]["value"], "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881");

    let app = app.stop().await.start().await;
    shows(&app, "pay", json!(["own", "x"])).await;
    let dump = app.host_sql("select s::text from isobase.secrets as s order by function, name").await;
    assert_eq!(dump.len(), 3);
    let plain = ["hunter2", "68756e74657232"];
    assert!(!plain.iter().any(|plain| format!("{dump:?}").contains(plain)), "{dump:?}");
    assert!(!app.project.log().contains("hunter2"), "no value reaches the log");

    let (ok, text) = run(&app.project, &["secrets", "unset", "PASSWORD"]).await;
    assert!(ok, "{text}");
    shows(&app, "show", json!([null, "x"])).await;
    shows(&app, "pay", json!(["own", "x"])).await;
    let (ok, text) = run(&app.project, &["secrets", "unset", "PASSWORD"]).await;
    assert!(!ok && text.contains("has no secret of that name"), "{text}");
}

#[tokio::test]
async fn the_projects_own_files_win_and_reserved_names_are_refused() {
    let project = project();
    project.write("supabase/functions/.env", "PASSWORD=of the file\n");
    project.write("more.env", "OTHER=\"from a file\"\nSUPABASE_URL=http://elsewhere\n");
    let app = project.start().await;
    let file = app.project.path().join("more.env").display().to_string();
    let (ok, text) = run(&app.project, &["secrets", "set", "--env-file", &file, "PASSWORD=stored"]).await;
    assert!(ok && text.contains("left out") && text.contains("which wins"), "{text}");
    shows(&app, "show", json!(["of the file", "from a file"])).await;
    // Without the file's line the stored one comes to light.
    app.project.write("supabase/functions/.env", "\n");
    shows(&app, "show", json!(["stored", "from a file"])).await;

    for bad in ["SUPABASE_URL=x", "nonsense", "A B=x", "=x"] {
        let output = app.project.command(&["secrets", "set", bad]).output().await.unwrap();
        assert_eq!(output.status.code(), Some(64), "{bad}");
    }
    let many: Vec<_> = (0..101).map(|number| format!("NAME{number}=x")).collect();
    let arguments: Vec<&str> =
        ["secrets", "set"].into_iter().chain(many.iter().map(String::as_str)).collect();
    let (ok, text) = run(&app.project, &arguments).await;
    assert!(!ok && text.contains("100 secrets already"), "{text}");
    let (_, text) = run(&app.project, &["secrets", "list"]).await;
    assert!(!text.contains("NAME1"), "all or none: {text}");
}

#[tokio::test]
async fn a_wrong_root_key_is_told_at_start() {
    let app = project().start().await;
    let (ok, text) = run(&app.project, &["secrets", "set", "PASSWORD=x"]).await;
    assert!(ok, "{text}");
    let project = app.stop().await;
    let path = project.path().join(".isobase/root.key");
    let key = std::fs::read_to_string(&path).unwrap();
    project.write(".isobase/root.key", "ab".repeat(32));
    let mut child = project.spawn();
    assert!(!child.wait().await.unwrap().success());
    let log = project.log();
    assert!(log.contains("encrypted under another root key") && log.contains("ISOBASE_ROOT_KEY"), "{log}");
    project.write(".isobase/root.key", "no key");
    let mut child = project.spawn();
    assert_eq!(child.wait().await.unwrap().code(), Some(64));
    assert!(project.log().contains("expected 64 hexadecimal digits"), "{}", project.log());
    project.write(".isobase/root.key", "ab".repeat(32));
    // Given in config.toml, the right key is found before the file's.
    project.configure(&format!("[db]\nroot_key = \"{}\"", key.trim()));
    let app = project.start().await;
    shows(&app, "show", json!(["x", null])).await;
}

#[tokio::test]
async fn every_node_on_a_database_sees_a_secret_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = ClusterConfig { port: 0, ..ClusterConfig::new(folder.path()) };
    let cluster = Cluster::start(config, Arc::new(Silent), Observer::default()).await.unwrap();
    let node = |key: &str| {
        let project = project().with_db_url(cluster.superuser_url());
        project.configure(&format!("[db]\nroot_key = \"{}\"", key.repeat(64)));
        project
    };
    let one = node("a").start().await;
    let two = node("a").start().await;
    let (ok, text) = run(&one.project, &["secrets", "set", "PASSWORD=of both"]).await;
    assert!(ok, "{text}");
    shows(&one, "show", json!(["of both", null])).await;
    shows(&two, "show", json!(["of both", null])).await;
    let (ok, text) = run(&two.project, &["secrets", "set", "PASSWORD=from the other"]).await;
    assert!(ok, "{text}");
    shows(&one, "show", json!(["from the other", null])).await;

    let other = node("b");
    let mut child = other.spawn();
    assert!(!child.wait().await.unwrap().success());
    assert!(other.log().contains("encrypted under another root key"), "{}", other.log());
}

#[tokio::test]
async fn a_wasm_function_sees_secrets_too() {
    let project = Project::empty();
    project
        .configure("[functions.guests]\nverify_jwt = false\nentrypoint = \"./functions/guests/guests.wasm\"");
    project.write("supabase/functions/guests/guests.wasm", COMPONENT);
    let app = project.start().await;
    let password =
        async || app.call("GET", "/functions/v1/guests/environment").send().await.json()["PASSWORD"].clone();
    assert_eq!(password().await, Value::Null);
    let (ok, text) = run(&app.project, &["secrets", "set", "PASSWORD=x", "--function", "guests"]).await;
    assert!(ok, "{text}");
    app.until("the guest sees it", || async { password().await == "x" }).await;
}
