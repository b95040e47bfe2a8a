//! Functions that are Rust crates. A script stands for cargo where its timing matters; one test
//! runs the real one.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use isobase_deploy::SourcesConfig;
use isobase_engine::Artifact;

use crate::stand::{Stand, project};

const MANIFEST: &str = "[package]\nname = \"hello\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";

/// A `cargo` that waits until `go` exists, then "builds" the text of `src/main.rs`, and fails when
/// that contains `error`.
fn scripted_cargo(stand: &Stand) -> PathBuf {
    let path = stand.path("/cargo");
    let text = format!(
        r#"#!/bin/sh
echo run >> {folder}/runs
while [ ! -e {folder}/go ]; do sleep 0.01; done
if grep -q error src/main.rs; then echo 'error: broken main.rs' >&2; exit 101; fi
cp src/main.rs {folder}/out.wasm
echo '{{"reason":"compiler-artifact","filenames":["{folder}/out.wasm"]}}'
"#,
        folder = stand.path("/").display()
    );
    stand.write("/cargo", text);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[tokio::test]
async fn a_crate_is_built_beside_the_others_and_rebuilt_when_saved() {
    let stand = project(&[
        ("c/Cargo.toml", MANIFEST),
        ("c/src/main.rs", "// one"),
        ("c/src/deep/part.rs", "// part"),
        ("f/index.ts", "export const f = 1;\n"),
    ]);
    let cargo = scripted_cargo(&stand);
    let stand = stand.open_with(|config: &mut SourcesConfig| config.wasm_build.cargo = cargo).await;
    assert_eq!(stand.fault("c"), "building");
    stand.write("f/index.ts", "export const f = 2;\n");
    stand.shows("f", "f = 2").await;
    stand.write("/go", "");
    stand.shows("c", "// one").await;
    stand.write("c/src/main.rs", "// error");
    stand.shows("c", "error: broken main.rs").await;
    stand.write("c/src/main.rs", "// two");
    stand.shows("c", "// two").await;
    stand.write("c/src/deep/part.rs", "// changed");
    stand.write("c/src/main.rs", "// three");
    stand.shows("c", "// three").await;
    let version = stand.function("c").unwrap().unwrap().version.0;
    assert_eq!(version, 5, "built, broken, two, three, after the first word");
}

#[tokio::test]
async fn a_missing_cargo_is_said_so() {
    let stand = project(&[("c/Cargo.toml", MANIFEST), ("c/src/main.rs", "fn main() {}")]);
    let stand = stand.open_with(|config| config.wasm_build.cargo = "/nowhere/cargo".into()).await;
    stand.shows("c", "cannot run /nowhere/cargo").await;
    assert!(stand.fault("c").contains("https://rustup.rs"));
}

#[tokio::test]
async fn cargo_builds_a_real_component() {
    let stand =
        project(&[("c/Cargo.toml", MANIFEST), ("c/src/main.rs", "fn main() { undefined() }")]).open().await;
    stand.shows("c", "cannot find function `undefined` in this scope").await;
    stand.write("c/src/main.rs", "fn main() { println!(\"hello from a component\") }");
    stand.shows("c", "hello from a component").await;
    let function = stand.function("c").unwrap().unwrap();
    let Artifact::Component { bytes, .. } = &function.artifact else { panic!("not a component") };
    assert!(bytes.starts_with(b"\0asm\x0d\0\x01\0"), "the header of a component");
}
