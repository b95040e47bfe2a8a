//! The unmodified Supabase CLI against our Management API.

use std::fs;
use std::process::Output;

use tokio::process::Command;

use crate::app::{App, Project, checkout};

/// Runs the CLI in the project's folder, with a profile that names this host.
async fn supabase(app: &App, arguments: &[&str]) -> (bool, String) {
    let clients = checkout("tests/clients/node_modules");
    let program = clients.join("@supabase/cli-linux-x64/bin/supabase");
    assert!(program.exists(), "run ./setup.sh test: it installs the Supabase CLI");
    let url = app.value("API_URL");
    let profile = format!(
        "name: local\napi_url: {url}\ndashboard_url: {url}\ndocs_url: {url}\nproject_host: 127.0.0.1\n"
    );
    app.project.write("profile.yaml", profile);
    let Output { status, stdout, stderr } = Command::new(program)
        .args(["--profile", "profile.yaml", "--yes"])
        .args(arguments)
        .arg(format!("--remote={}", app.value("PROJECT_REF")))
        .env("SUPABASE_ACCESS_TOKEN", app.value("ACCESS_TOKEN"))
        .env("SUPABASE_TELEMETRY_DISABLED", "1")
        .current_dir(app.project.path())
        .kill_on_drop(true)
        .output()
        .await
        .expect("the Supabase CLI runs");
    (status.success(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

#[tokio::test]
async fn the_supabase_cli_deploys_lists_downloads_and_deletes() {
    let project = Project::empty().with_flags(&["--production"]);
    project.configure("[functions.hello]\nverify_jwt = false");
    project.write("supabase/functions/_shared/greeting.ts", "export const greeting: string = 'hi';\n");
    let source =
        "import { greeting } from '../_shared/greeting.ts';\nDeno.serve(() => new Response(greeting));\n";
    project.function("hello", source);
    let app = project.start().await;

    let (ok, text) = supabase(&app, &["functions", "deploy", "hello", "--use-api"]).await;
    assert!(ok && text.contains("Deployed Functions"), "{text}\n{}", app.project.log());
    assert_eq!(app.call("GET", "/functions/v1/hello").send().await.text(), "hi", "{}", app.project.log());

    // Several functions go as bundles first and are flipped together.
    app.project.function("second", "Deno.serve(() => new Response('second'));\n");
    let (ok, text) = supabase(&app, &["functions", "deploy", "--use-api"]).await;
    assert!(ok && text.contains("hello, second"), "{text}\n{}", app.project.log());
    assert_eq!(app.anon("GET", "/functions/v1/second").send().await.text(), "second");
    assert_eq!(app.call("GET", "/functions/v1/second").send().await.status, 401, "verify_jwt is the default");

    let (ok, text) = supabase(&app, &["functions", "list"]).await;
    assert!(ok && text.contains("hello") && text.contains("ACTIVE"), "{text}");

    fs::remove_dir_all(app.project.path().join("supabase/functions")).unwrap();
    let (ok, text) = supabase(&app, &["functions", "download", "hello", "--use-api"]).await;
    assert!(ok, "{text}\n{}", app.project.log());
    let downloaded = app.project.path().join("supabase/functions/hello/index.ts");
    assert_eq!(fs::read_to_string(downloaded).unwrap(), source);
    assert!(app.project.path().join("supabase/functions/_shared/greeting.ts").exists());

    app.project.function("hello", "Deno.serve(() => new Response('open);\n");
    let (ok, text) = supabase(&app, &["functions", "deploy", "hello", "--use-api"]).await;
    assert!(!ok && text.contains("index.ts:1:38"), "{text}");
    assert_eq!(app.call("GET", "/functions/v1/hello").send().await.text(), "hi");

    app.project.function("hello", "Deno.serve(() => new Response(Deno.env.get('GREETING') ?? 'none'));\n");
    assert!(supabase(&app, &["functions", "deploy", "hello", "--use-api"]).await.0);
    let (ok, text) = supabase(&app, &["secrets", "set", "GREETING=hello there"]).await;
    assert!(ok, "{text}");
    let seen = || async { app.call("GET", "/functions/v1/hello").send().await.text() };
    app.until("the secret is seen without a deploy", || async { seen().await == "hello there" }).await;
    let (ok, text) = supabase(&app, &["secrets", "list"]).await;
    assert!(ok && text.contains("GREETING") && !text.contains("hello there"), "{text}");
    assert!(supabase(&app, &["secrets", "unset", "GREETING"]).await.0);
    app.until("it is gone", || async { seen().await == "none" }).await;

    let (ok, text) = supabase(&app, &["functions", "delete", "hello"]).await;
    assert!(ok, "{text}");
    assert_eq!(app.call("GET", "/functions/v1/hello").send().await.status, 404);
}
