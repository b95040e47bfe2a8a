//! The commands that need no running host.

use crate::app::Project;

pub(crate) async fn run(project: &Project, arguments: &[&str]) -> (bool, String) {
    let output = project.command(arguments).output().await.expect("the binary runs");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

#[tokio::test]
async fn init_writes_a_project_once() {
    let project = Project::empty();
    std::fs::remove_dir_all(project.path().join("supabase")).unwrap();
    let (ok, text) = run(&project, &["init"]).await;
    assert!(ok, "{text}");
    let config = std::fs::read_to_string(project.path().join("supabase/config.toml")).unwrap();
    assert!(config.contains("project_id = \"isobase-it-"), "{config}");
    let (ok, text) = run(&project, &["init"]).await;
    assert!(!ok);
    assert!(text.contains("exists already"), "{text}");
}

#[tokio::test]
async fn a_new_function_never_overwrites_one() {
    let project = Project::empty();
    let (ok, text) = run(&project, &["functions", "new", "greet"]).await;
    assert!(ok, "{text}");
    assert!(project.path().join("supabase/functions/greet/index.ts").exists());
    let (ok, text) = run(&project, &["functions", "new", "greet"]).await;
    assert!(!ok && text.contains("exists already"), "{text}");
    let (ok, text) = run(&project, &["functions", "new", "2fast"]).await;
    assert!(!ok && text.contains("start with a letter"), "{text}");
}

#[tokio::test]
async fn a_new_wasm_function_comes_with_the_sdk_of_this_binary() {
    let project = Project::empty();
    let (ok, text) = run(&project, &["functions", "new", "fast", "--wasm"]).await;
    assert!(ok, "{text}");
    for file in [
        "supabase/functions/fast/Cargo.toml",
        "supabase/functions/fast/src/lib.rs",
        ".isobase/sdk/rust/Cargo.toml",
        ".isobase/sdk/wit/host.wit",
    ] {
        assert!(project.path().join(file).exists(), "{file}");
    }
}

#[tokio::test]
async fn status_and_stop_say_so_when_nothing_runs() {
    let project = Project::empty();
    let (ok, text) = run(&project, &["status"]).await;
    assert!(!ok && text.contains("nothing runs in"), "{text}");
    let (ok, text) = run(&project, &["stop"]).await;
    assert!(ok && text.contains("nothing runs in"), "{text}");
}

#[tokio::test]
async fn bad_configuration_ends_with_status_64_and_its_place() {
    let project = Project::empty();
    project.write("supabase/config.toml", "project_id = \"x\"\n[api]\nport = \"many\"\n");
    let output = project.command(&["start"]).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(64), "{text}");
    assert!(text.contains("config.toml:3") && text.contains("port"), "{text}");
}
