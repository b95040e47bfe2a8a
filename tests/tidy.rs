//! Hygiene as a test: the edges between crates, the length of files and functions, names, order of
//! dependencies, and that the README only shows commands that exist.
//!
//! Lengths are a ratchet: `tidy-ratchet.toml` lists what is over the bound, with its reason and its
//! size; an entry may shrink or go, never grow.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use syn::spanned::Spanned;
use syn::visit::Visit;

/// Which of our crates may name which. A new line here is a design decision: say why in
/// ARCHITECTURE.md.
const EDGES: &[(&str, &[&str])] = &[
    ("isobase-base", &[]),
    ("isobase-database", &["isobase-base"]),
    ("isobase-postgres", &["isobase-base"]),
    ("isobase-http", &["isobase-base"]),
    ("isobase-logs", &["isobase-base"]),
    ("isobase-queue", &["isobase-base", "isobase-database"]),
    ("isobase-realtime", &["isobase-base"]),
    ("isobase-secrets", &["isobase-base"]),
    ("isobase-storage", &["isobase-base", "isobase-database"]),
    ("isobase-webhook", &[]),
    ("isobase-engine", &["isobase-base"]),
    (
        "isobase-bind-wasm",
        &["isobase-base", "isobase-database", "isobase-queue", "isobase-realtime", "isobase-storage"],
    ),
    (
        "isobase-bind-v8",
        &[
            "isobase-base",
            "isobase-database",
            "isobase-queue",
            "isobase-realtime",
            "isobase-storage",
            "isobase-webhook",
        ],
    ),
    (
        "isobase-wasm",
        &[
            "isobase-base",
            "isobase-bind-wasm",
            "isobase-database",
            "isobase-engine",
            "isobase-http",
            "isobase-queue",
            "isobase-realtime",
            "isobase-storage",
        ],
    ),
    (
        "isobase-v8",
        &[
            "isobase-base",
            "isobase-bind-v8",
            "isobase-database",
            "isobase-engine",
            "isobase-http",
            "isobase-queue",
            "isobase-realtime",
            "isobase-storage",
        ],
    ),
    ("isobase-pool", &["isobase-base", "isobase-engine"]),
    ("isobase-process", &["isobase-base", "isobase-engine", "isobase-http"]),
    ("isobase-packages", &["isobase-base", "isobase-http"]),
    ("isobase-deploy", &["isobase-base", "isobase-engine", "isobase-packages"]),
    (
        "isobase-management",
        &["isobase-base", "isobase-deploy", "isobase-logs", "isobase-secrets", "isobase-triggers"],
    ),
    ("isobase-triggers", &["isobase-base", "isobase-queue", "isobase-webhook"]),
    ("isobase-gateway", &["isobase-base"]),
    ("isobase-sdk", &["isobase-webhook"]),
    ("isobase-rest", &["isobase-sdk"]),
    ("isobase-artifacts", &[]),
    ("isobase-guests", &["isobase-sdk"]),
    ("isobase-tests", &[]),
    (
        "isobase",
        &[
            "isobase-artifacts",
            "isobase-base",
            "isobase-database",
            "isobase-deploy",
            "isobase-engine",
            "isobase-gateway",
            "isobase-http",
            "isobase-logs",
            "isobase-management",
            "isobase-packages",
            "isobase-pool",
            "isobase-postgres",
            "isobase-process",
            "isobase-queue",
            "isobase-realtime",
            "isobase-secrets",
            "isobase-storage",
            "isobase-triggers",
            "isobase-v8",
            "isobase-wasm",
            "isobase-webhook",
        ],
    ),
];

/// Crates from outside that only some rooms may use: who else would blur what the rooms are for.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("wasmtime", &["isobase-wasm", "isobase-bind-wasm"]),
    ("deno_core", &["isobase-v8", "isobase-bind-v8"]),
    ("deno_ast", &["isobase-deploy", "isobase-v8"]),
    ("deno_npm", &["isobase-packages"]),
    ("anyhow", &["isobase", "isobase-tests"]),
];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const VAGUE_NAMES: &[&str] =
    &["utils", "util", "common", "helpers", "helper", "types", "misc", "shared", "stuff"];

#[derive(serde::Deserialize)]
struct Ratchet {
    #[serde(default)]
    over: Vec<Over>,
}

#[derive(serde::Deserialize)]
struct Over {
    /// `path/to/file.rs` or `path/to/file.rs::function`.
    place: String,
    lines: usize,
    #[allow(dead_code, reason = "read by people")]
    reason: String,
}

fn root() -> PathBuf {
    // Asked for at run time: checkouts that share a target folder share this program too.
    let tests = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    Path::new(&tests).parent().expect("the tests folder has a parent").to_owned()
}

/// Our files with extension `extension`, as paths relative to the root.
fn sources(extension: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
        let skipped = ["target", "node_modules", ".git", ".isobase"];
        for entry in fs::read_dir(folder).expect("a folder of the checkout can be read").flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() && !skipped.iter().any(|skip| name == *skip) {
                walk(&path, extension, found);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut found = Vec::new();
    walk(&root, extension, &mut found);
    found.sort();
    found.into_iter().map(|path| path.strip_prefix(&root).expect("under the root").to_owned()).collect()
}

/// What `cargo metadata` says of our packages, as far as we read it.
#[derive(serde::Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(serde::Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(serde::Deserialize)]
struct Dependency {
    name: String,
    /// `null` for what the package itself needs, else `dev` or `build`.
    kind: Option<String>,
}

fn metadata() -> Metadata {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

#[test]
fn crates_name_only_whom_they_may() {
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let mut faults = String::new();
    for package in metadata().packages {
        let name = package.name.as_str();
        let Some(edges) = allowed.get(name) else {
            writeln!(faults, "{name}: a new crate; give it a line in EDGES").unwrap();
            continue;
        };
        let normal = package.dependencies.iter().filter(|edge| edge.kind.is_none());
        for dependency in normal {
            let target = dependency.name.as_str();
            if target.starts_with("isobase") && !edges.contains(&target) {
                writeln!(faults, "{name} → {target}: this edge is not in EDGES").unwrap();
            }
            if let Some((_, rooms)) = OUTSIDE.iter().find(|(outside, _)| *outside == target)
                && !rooms.contains(&name)
            {
                writeln!(faults, "{name} → {target}: only {rooms:?} may use it").unwrap();
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn files_and_functions_stay_short() {
    let text = fs::read_to_string(root().join("tests/tidy-ratchet.toml")).expect("the ratchet is there");
    let ratchet: Ratchet = toml::from_str(&text).expect("the ratchet is TOML");
    let mut over: BTreeMap<String, usize> = BTreeMap::new();
    for path in sources("rs") {
        let text = fs::read_to_string(root().join(&path)).expect("a source file is UTF-8");
        let place = path.display().to_string();
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            over.insert(place.clone(), lines);
        }
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{place}: {error}"));
        let mut functions = Functions { place, over: &mut over };
        functions.visit_file(&file);
    }
    let mut faults = String::new();
    for (place, lines) in &over {
        match ratchet.over.iter().find(|entry| entry.place == *place) {
            Some(entry) if *lines <= entry.lines => {}
            Some(entry) => writeln!(faults, "{place}: grew from {} to {lines} lines", entry.lines).unwrap(),
            None => writeln!(faults, "{place}: {lines} lines; split it").unwrap(),
        }
    }
    for entry in ratchet.over.iter().filter(|entry| !over.contains_key(&entry.place)) {
        writeln!(faults, "{}: short enough now; take it off tidy-ratchet.toml", entry.place).unwrap();
    }
    assert!(faults.is_empty(), "\n{faults}");
}

struct Functions<'a> {
    place: String,
    over: &'a mut BTreeMap<String, usize>,
}

impl Functions<'_> {
    fn measure(&mut self, name: &syn::Ident, block: &syn::Block) {
        let lines = block.span().end().line - block.span().start().line + 1;
        if lines > FUNCTION_LINES_MAX {
            self.over.insert(format!("{}::{name}", self.place), lines);
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.measure(&function.sig.ident, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.measure(&function.sig.ident, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }
}

#[test]
fn modules_are_named_for_a_noun() {
    let vague: Vec<_> = sources("rs")
        .into_iter()
        .filter(|path| {
            path.iter().any(|part| {
                let stem = part.to_string_lossy();
                VAGUE_NAMES.contains(&stem.trim_end_matches(".rs"))
            })
        })
        .collect();
    assert!(vague.is_empty(), "name what is in them: {vague:?}");
}

#[test]
fn dependencies_are_sorted() {
    let mut faults = String::new();
    for path in sources("toml").into_iter().filter(|path| path.ends_with("Cargo.toml")) {
        if path == Path::new("Cargo.toml") {
            continue; // Grouped by purpose, with a comment per group.
        }
        let text = fs::read_to_string(root().join(&path)).expect("a manifest is UTF-8");
        let mut previous: Option<String> = None;
        let mut inside = false;
        for line in text.lines() {
            if line.starts_with('[') {
                inside = line.contains("dependencies");
                previous = None;
            } else if inside && let Some((name, _)) = line.split_once([' ', '=', '.']) {
                if !line.starts_with([' ', '#', ']', '}'])
                    && previous.as_deref().is_some_and(|before| before > name)
                {
                    writeln!(faults, "{}: {name} comes too late", path.display()).unwrap();
                }
                if !line.starts_with([' ', '#', ']', '}']) {
                    previous = Some(name.to_owned());
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn the_readme_shows_only_commands_that_exist() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md is there");
    let makefile = fs::read_to_string(root().join("Makefile")).expect("Makefile is there");
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter_map(|line| line.split_once(": ##").or(line.split_once(':')))
        .map(|(name, _)| name)
        .collect();
    let arguments =
        fs::read_to_string(root().join("cli/src/args.rs")).expect("the argument definitions are there");
    let mut faults = String::new();
    let mut in_shell = false;
    for line in readme.lines() {
        if line.starts_with("```") {
            in_shell = line == "```sh";
            continue;
        }
        let words: Vec<&str> = line.trim().trim_start_matches("$ ").split_whitespace().collect();
        match (in_shell, words.as_slice()) {
            (true, ["make", target, ..]) if !targets.contains(target) => {
                writeln!(faults, "make {target} is not in the Makefile").unwrap();
            }
            (true, ["isobase", command, ..])
                if !command.starts_with('-') && !arguments.contains(&variant(command)) =>
            {
                writeln!(faults, "isobase {command} is not a command").unwrap();
            }
            _ => {}
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

/// `init` is the variant `    Init(` or `    Init,`.
fn variant(command: &str) -> String {
    let mut name = String::from("    ");
    for part in command.split('-') {
        let mut letters = part.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name.push('(');
    name
}
