//! Functions that are Rust crates: cargo builds them to components, one at a time, beside
//! everything else.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use isobase_base::FunctionSlug;
use isobase_base::limits::{SOURCE_COMPONENT_BYTES_MAX, SOURCE_CRATE_FOLDERS_MAX};
use isobase_base::task::{self, TaskKind};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::WasmBuild;
use crate::fault::SourceFault;
use crate::probes::{Names, Watched};
use crate::watcher::Change;

/// The target that functions are built for.
const TARGET: &str = "wasm32-wasip2";
/// As much of cargo's words as is kept for a failure, in bytes from the end.
const OUTPUT_BYTES_MAX: usize = 8 * 1024;

/// A build under way. Dropping it stops cargo.
pub(crate) struct CrateBuild {
    task: JoinHandle<()>,
}

/// Where builds report to, and how many run.
#[derive(Clone)]
pub(crate) struct CrateBuilds {
    pub(crate) config: WasmBuild,
    pub(crate) report: mpsc::Sender<Change>,
    /// cargo locks its target folder anyway; waiting here keeps the processes few.
    pub(crate) turn: Arc<Semaphore>,
}

impl CrateBuilds {
    /// Starts a build of the crate in `folder`; its end is a [`Change::Built`] with `serial`.
    pub(crate) fn start(&self, slug: FunctionSlug, folder: PathBuf, serial: u64) -> CrateBuild {
        let builds = self.clone();
        let task = task::spawn(TaskKind::Request, "crate build", async move {
            let Ok(_turn) = builds.turn.acquire().await else { return };
            let component = build(&builds.config, &folder).await;
            // Nobody listens any more when the sources were closed meanwhile.
            let _ = builds.report.send(Change::Built { slug, serial, component }).await;
        });
        CrateBuild { task }
    }
}

impl Drop for CrateBuild {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) async fn build(config: &WasmBuild, folder: &Path) -> Result<Bytes, SourceFault> {
    let mut command = Command::new(&config.cargo);
    command
        .args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&config.target_folder)
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    for name in outer_build_variables(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok())) {
        command.env_remove(name);
    }
    let output = command.output().await.map_err(|error| {
        let message = format!("cannot run {}: {error}", config.cargo.display());
        SourceFault::new(message).hint("functions that are Rust crates need cargo: https://rustup.rs")
    })?;
    if !output.status.success() {
        return Err(cargo_fault(output.status, &String::from_utf8_lossy(&output.stderr)));
    }
    let path = component_path(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| {
        SourceFault::new("cargo built no component")
            .hint("give the crate a src/main.rs, or [lib] crate-type = [\"cdylib\"] in its Cargo.toml")
    })?;
    let bytes = tokio::fs::read(&path)
        .await
        .map_err(|error| SourceFault::new(format!("cannot read {}: {error}", path.display())))?;
    if bytes.len() as u64 > SOURCE_COMPONENT_BYTES_MAX {
        let message = format!("the component is larger than {SOURCE_COMPONENT_BYTES_MAX} bytes");
        return Err(SourceFault::new(message));
    }
    Ok(bytes.into())
}

/// Variables that a cargo around this process sets for its own build and that would change ours.
/// What says where the tools are stays.
fn outer_build_variables(names: impl Iterator<Item = String>) -> Vec<String> {
    const KEPT: [&str; 4] = ["CARGO_HOME", "CARGO_NET_OFFLINE", "RUSTUP_HOME", "RUST_LOG"];
    let is_builds = |name: &str| name.starts_with("CARGO") || name.starts_with("RUST");
    names.filter(|name| is_builds(name) && !KEPT.contains(&name.as_str())).collect()
}

/// The last `.wasm` among the artifacts that cargo's JSON messages name: the package itself is
/// built after what it stands on.
fn component_path(messages: &str) -> Option<PathBuf> {
    let artifacts = messages.lines().rev().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        if message["reason"] != "compiler-artifact" {
            return None;
        }
        let files = message["filenames"].as_array()?;
        files.iter().filter_map(Value::as_str).find(|file| file.ends_with(".wasm")).map(PathBuf::from)
    });
    artifacts.into_iter().next()
}

fn cargo_fault(status: ExitStatus, output: &str) -> SourceFault {
    // Progress lines say nothing once it is over.
    let is_progress = |line: &str| {
        let word = line.trim_start().split(' ').next().unwrap_or_default();
        ["Compiling", "Downloading", "Downloaded", "Locking", "Updating", "Adding", "Blocking"]
            .contains(&word)
    };
    let text: String =
        output.lines().filter(|line| !is_progress(line)).flat_map(|line| [line, "\n"]).collect();
    let mut start = text.len().saturating_sub(OUTPUT_BYTES_MAX);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let fault = SourceFault::new(format!("cargo failed ({status}):\n{}", text[start..].trim_end()));
    if text.contains("target may not be installed") {
        return fault.hint(format!("rustup target add {TARGET}"));
    }
    fault
}

/// What of a crate's folder concerns its build: everything but cargo's own output and lock file,
/// which a build writes itself.
pub(crate) fn names(folder: &Path) -> Names {
    let mut names = Names::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        if names.len() >= SOURCE_CRATE_FOLDERS_MAX {
            tracing::warn!(folder = %folder.display(), "too many folders to watch all of them");
            break;
        }
        let Ok(canonical) = std::fs::canonicalize(&next) else { continue };
        let is_root = next == folder;
        let mut watched = if is_root { Watched::default() } else { Watched::Everything };
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let shown = name.to_string_lossy().into_owned();
            if shown.starts_with('.') || is_root && (shown == "target" || shown == "Cargo.lock") {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(next.join(&name));
            }
            watched.add(name);
        }
        if is_root {
            watched.add("Cargo.toml".into());
            watched.add("build.rs".into());
            watched.add("src".into());
        }
        names.insert(canonical, watched);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::{cargo_fault, component_path, outer_build_variables};
    use expect_test::expect;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    #[test]
    fn the_packages_own_component_is_the_last() {
        let messages = r#"{"reason":"compiler-artifact","filenames":["/t/deps/libserde.rlib"]}
not json
{"reason":"compiler-artifact","filenames":["/t/first.wasm"]}
{"reason":"compiler-artifact","filenames":["/t/hello.d","/t/hello.wasm"]}
{"reason":"build-finished","success":true}"#;
        assert_eq!(component_path(messages).unwrap().to_str(), Some("/t/hello.wasm"));
        assert_eq!(component_path("{\"reason\":\"build-finished\"}"), None);
    }

    #[test]
    fn an_outer_build_does_not_leak_in() {
        let names = [
            "PATH",
            "CARGO_HOME",
            "CARGO_TARGET_DIR",
            "CARGO",
            "RUSTFLAGS",
            "RUSTUP_TOOLCHAIN",
            "RUSTUP_HOME",
        ];
        let removed = outer_build_variables(names.iter().map(|&name| name.to_owned()));
        assert_eq!(removed, ["CARGO_TARGET_DIR", "CARGO", "RUSTFLAGS", "RUSTUP_TOOLCHAIN"]);
    }

    #[test]
    fn cargos_words_are_passed_on_without_progress() {
        let output = "   Compiling hello v0.1.0\nerror[E0463]: can't find crate for `core`\n  = note: the `wasm32-wasip2` target may not be installed\n";
        expect![[r#"
            cargo failed (exit status: 101):
            error[E0463]: can't find crate for `core`
              = note: the `wasm32-wasip2` target may not be installed
              hint: rustup target add wasm32-wasip2"#]]
        .assert_eq(&cargo_fault(ExitStatus::from_raw(101 << 8), output).to_string());
    }
}
