//! Builds a package of this workspace into a component, from within a build script.

use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-wasip2";

/// Builds the library of `package` for `wasm32-wasip2`, optimised, and returns the component's path.
///
/// The inner cargo gets a target folder of its own: the outer one holds the lock on its folder
/// while build scripts run.
pub(crate) fn build(package: &str) -> PathBuf {
    let workspace = workspace();
    let target_dir = target_dir();
    let mut cargo = Command::new(std::env::var_os("CARGO").expect("cargo names itself to build scripts"));
    cargo
        .current_dir(&workspace)
        .args(["build", "--lib", "--release", "--target", TARGET, "--package", package])
        .arg("--target-dir")
        .arg(&target_dir);
    isolate(&mut cargo);
    tune(&mut cargo);
    let output =
        cargo.output().unwrap_or_else(|error| panic!("cargo could not be run for {package}: {error}"));
    if !output.status.success() {
        fail(package, &String::from_utf8_lossy(&output.stderr));
    }
    let component =
        target_dir.join(TARGET).join("release").join(format!("{}.wasm", package.replace('-', "_")));
    assert!(
        component.is_file(),
        "{package} built without a component at {}: its Cargo.toml needs `[lib] crate-type = [\"cdylib\", \"rlib\"]`",
        component.display()
    );
    component
}

/// Has cargo run the build script again when one of `paths`, relative to the workspace, changes.
pub(crate) fn watch(paths: &[&str]) {
    let workspace = workspace();
    for path in paths {
        println!("cargo::rerun-if-changed={}", workspace.join(path).display());
    }
}

fn workspace() -> PathBuf {
    let package =
        PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo tells where the package is"));
    package.ancestors().nth(2).expect("packages are two folders deep").to_owned()
}

/// `<target>/components`, shared by the profiles of the outer build: `OUT_DIR` is
/// `<target>/<profile>/build/<package>/out`, with one more level when cross-compiling.
fn target_dir() -> PathBuf {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo gives build scripts a folder"));
    let profile = out.ancestors().find(|folder| folder.ends_with("build")).and_then(Path::parent);
    profile.and_then(Path::parent).expect("OUT_DIR has cargo's shape").join("components")
}

/// What the outer build was asked for is not meant for the inner one: flags for the host's
/// compiler, clippy standing in for rustc, its target folder and its per-package variables.
fn isolate(cargo: &mut Command) {
    const KEPT: [&str; 4] = ["CARGO", "CARGO_HOME", "CARGO_MAKEFLAGS", "CARGO_TERM_COLOR"];
    const CLEARED: [&str; 11] = [
        "CLIPPY_ARGS",
        "OUT_DIR",
        "PROFILE",
        "RUSTC",
        "RUSTC_LINKER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOC",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
        "TARGET",
    ];
    for (name, _) in std::env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        // Registries and network settings of the person who builds stay in force.
        let of_this_build = name.starts_with("CARGO_")
            && !["CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_"]
                .iter()
                .any(|prefix| name.starts_with(prefix));
        if CLEARED.contains(&name) || (of_this_build && !KEPT.contains(&name)) {
            cargo.env_remove(name);
        }
    }
}

/// A component runs on every request and is compiled once: slow to build, small, without landing
/// pads. Names are kept for backtraces.
fn tune(cargo: &mut Command) {
    cargo
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3")
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
        .env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo");
}

fn fail(package: &str, stderr: &str) -> ! {
    if stderr.contains("may not be installed") || stderr.contains("can't find crate for `core`") {
        panic!(
            "{package} is compiled for {TARGET}, which this toolchain lacks.\nRun: rustup target add {TARGET}\n\n{stderr}"
        );
    }
    panic!("{package} did not build for {TARGET}:\n\n{stderr}");
}
