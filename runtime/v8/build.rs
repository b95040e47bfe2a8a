//! Embeds the JavaScript of the web platform crates.
//!
//! Those crates name their sources by the path they had when they were compiled, which does not
//! exist on the machine where the binary runs and writes its snapshot. So their text goes into the
//! binary: this script finds the crates and writes a table of `include_str!`s, sorted by specifier
//! as the runtime wants it. It looks into the local registry under the version that the lock file
//! names, and asks `cargo metadata` where they are not there (a vendored or patched build).
//!
//! Node's modules come as a folder, partly in TypeScript; its table goes by path, and the runtime
//! transpiles it once, beside writing its snapshot: a compiler in a build script would be compiled
//! a second time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The crates whose JavaScript is embedded; the specifier of a file is `ext:<crate>/<file>`.
const CRATES: [&str; 7] =
    ["deno_crypto", "deno_fetch", "deno_fs", "deno_net", "deno_web", "deno_webidl", "deno_websocket"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../../Cargo.lock");
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rustc-env=ISOBASE_V8_SOURCES={:016x}", digest());
    let lock = fs::read_to_string(workspace().join("Cargo.lock")).expect("the workspace has a lock file");
    let mut table = String::from("pub(crate) static PLATFORM: &[(&str, &str)] = &[\n");
    let mut files = BTreeMap::new();
    for name in CRATES {
        for file in scripts_in(&sources_of(&lock, name)) {
            let leaf = file.file_name().expect("a listed file has a name").to_string_lossy().into_owned();
            files.insert(format!("ext:{name}/{leaf}"), file);
        }
    }
    for (specifier, path) in files {
        writeln!(table, "    ({specifier:?}, include_str!({:?})),", path.display().to_string())
            .expect("a string");
    }
    table.push_str("];\npub(crate) static NODE: &[(&str, &str)] = &[\n");
    for (path, file) in polyfills(&sources_of(&lock, "deno_node").join("polyfills")) {
        writeln!(table, "    ({path:?}, include_str!({:?})),", file.display().to_string()).expect("a string");
    }
    table.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("platform.rs");
    fs::write(out, table).expect("OUT_DIR is writable");
}

/// Of this crate's sources and of the versions it is built with: what a startup image is made of.
fn digest() -> u64 {
    let mut hasher = DefaultHasher::new();
    fs::read(workspace().join("Cargo.lock")).expect("the workspace has a lock file").hash(&mut hasher);
    for (path, file) in files_below(Path::new("src")) {
        (path, fs::read(file).expect("a listed file is there")).hash(&mut hasher);
    }
    hasher.finish()
}

fn workspace() -> PathBuf {
    PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../..")
}

fn sources_of(lock: &str, name: &str) -> PathBuf {
    in_registry(lock, name)
        .or_else(|| by_metadata(name))
        .unwrap_or_else(|| panic!("the sources of {name} are not found; is it still a dependency?"))
}

/// `$CARGO_HOME/registry/src/<registry>/<name>-<version>`.
fn in_registry(lock: &str, name: &str) -> Option<PathBuf> {
    let key = format!("name = \"{name}\"\nversion = \"");
    let start = lock.find(&key)? + key.len();
    let version = &lock[start..start + lock[start..].find('"')?];
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))?;
    let registries = fs::read_dir(home.join("registry/src")).ok()?;
    registries
        .flatten()
        .map(|registry| registry.path().join(format!("{name}-{version}")))
        .find(|path| path.is_dir())
}

fn by_metadata(name: &str) -> Option<PathBuf> {
    let output = Command::new(env::var_os("CARGO").expect("cargo sets CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform"])
        .arg(env::var_os("TARGET").expect("cargo sets TARGET"))
        .arg("--manifest-path")
        .arg(workspace().join("Cargo.toml"))
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    let metadata = String::from_utf8(output.stdout).expect("cargo metadata is UTF-8");
    // A package object begins with its name and version, and names its manifest later; dependency
    // objects have no version after the name.
    let package = metadata.find(&format!("\"name\":\"{name}\",\"version\":"))?;
    let key = "\"manifest_path\":\"";
    let start = package + metadata[package..].find(key)? + key.len();
    let end = start + metadata[start..].find('"')?;
    Path::new(&metadata[start..end]).parent().map(Path::to_path_buf)
}

fn scripts_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut scripts: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder stays readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "js"))
        .collect();
    scripts.sort();
    scripts
}

/// All scripts at any depth, by their path below `folder`.
fn polyfills(folder: &Path) -> BTreeMap<String, PathBuf> {
    let mut found = files_below(folder);
    found.retain(|_, path| is_script(path));
    found
}

fn files_below(folder: &Path) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        let entries = fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display()));
        for path in entries.map(|entry| entry.expect("the folder stays readable").path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("it is below").to_string_lossy().into_owned();
                found.insert(name, path);
            }
        }
    }
    found
}

fn is_script(path: &Path) -> bool {
    let name = path.to_string_lossy();
    [".js", ".mjs", ".ts"].iter().any(|end| name.ends_with(end)) && !name.ends_with(".d.ts")
}
