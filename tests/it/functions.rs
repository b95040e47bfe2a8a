//! Functions of both kinds through the gateway.

use serde_json::json;

use crate::app::{ALICE, BOB, Project};

#[tokio::test]
async fn typescript_functions_answer_and_read_as_the_caller() {
    let app = Project::quickstart().start().await;
    let hello = app.call("POST", "/functions/v1/hello").json(&json!({ "name": "isobase" })).send().await;
    assert_eq!(hello.json(), json!({ "message": "Hello isobase!" }), "{}", app.project.log());

    let path = "/functions/v1/todos";
    let refused = app.call("GET", path).send().await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("sb-error-code"), Some("UNAUTHORIZED_NO_AUTH_HEADER"));
    let alice = app.user(ALICE, "GET", path).send().await.json();
    assert_eq!(alice["role"], "authenticated");
    assert_eq!(alice["todos"].as_array().map(Vec::len), Some(3), "{alice}");
    let bob = app.user(BOB, "GET", path).send().await.json();
    assert_eq!(bob["todos"].as_array().map(Vec::len), Some(3), "{bob}");
    assert_ne!(alice, bob);
}

#[tokio::test]
async fn a_saved_file_is_served_next() {
    let project = Project::empty();
    project.configure("[functions.edit]\nverify_jwt = false");
    project.function("edit", "Deno.serve(() => new Response('first'))");
    let app = project.start().await;
    assert_eq!(app.call("GET", "/functions/v1/edit").send().await.text(), "first");

    app.project.function("edit", "Deno.serve(() => new Response('second'))");
    app.until("the edit is served", || async {
        app.call("GET", "/functions/v1/edit").send().await.text() == "second"
    })
    .await;

    app.project.function("edit", "Deno.serve(() => new Response('broken')");
    app.until("the syntax error is answered", || async {
        app.call("GET", "/functions/v1/edit").send().await.status == 503
    })
    .await;
    app.until("the log names the place", || async {
        app.project.log().contains("supabase/functions/edit/index.ts:1:40")
    })
    .await;

    app.project.function("edit", "Deno.serve(() => new Response('third'))");
    app.until("the repair is served", || async {
        app.call("GET", "/functions/v1/edit").send().await.text() == "third"
    })
    .await;

    std::fs::remove_dir_all(app.project.path().join("supabase/functions/edit")).unwrap();
    // It is still declared in config.toml, so it is not unknown but broken.
    app.until("the deleted function is missed", || async {
        app.call("GET", "/functions/v1/edit").send().await.status == 503
    })
    .await;
}

#[tokio::test]
async fn an_unknown_function_is_a_404_that_clients_know() {
    let app = Project::empty().start().await;
    let missing = app.anon("POST", "/functions/v1/missing").send().await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.header("sb-error-code"), Some("NOT_FOUND"));
    assert_eq!(missing.json()["message"], "Requested function was not found");
}

#[tokio::test]
async fn the_environment_holds_urls_keys_and_the_users_own() {
    let project = Project::empty();
    project.configure("[functions.environment]\nverify_jwt = false");
    project.write("supabase/functions/.env", "GREETING=\"hi there\"\n");
    project.function(
        "environment",
        "Deno.serve(() => Response.json([Deno.env.get('GREETING'), Deno.env.get('SUPABASE_URL'), Deno.env.get('SUPABASE_ANON_KEY')]))",
    );
    let app = project.start().await;
    let answer = app.call("GET", "/functions/v1/environment").send().await.json();
    assert_eq!(answer, json!(["hi there", app.value("API_URL"), app.value("ANON_KEY")]));
}

#[tokio::test]
async fn flags_of_start_speak_louder_than_the_settings() {
    let project = Project::empty();
    project.write("supabase/functions/.env", "GREETING=from the default file\n");
    project.write("other.env", "GREETING=from the other file\n");
    project.function("greet", "Deno.serve(() => new Response(Deno.env.get('GREETING')))");
    let env_file = project.path().join("other.env").display().to_string();
    let app = project.with_flags(&["--no-verify-jwt", "--env-file", &env_file]).start().await;
    assert_eq!(app.call("GET", "/functions/v1/greet").send().await.text(), "from the other file");
}
