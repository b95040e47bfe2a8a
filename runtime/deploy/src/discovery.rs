//! Which functions a project has, and what each begins with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use isobase_base::FunctionSlug;
use isobase_base::project::{FunctionSettings, Settings};

use crate::fault::SourceFault;
use crate::probes::Probes;
use crate::resolve::Folders;

/// What a function begins with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// TypeScript or JavaScript.
    Script(PathBuf),
    /// A built WASM component.
    Component(PathBuf),
    /// A Rust crate to build one from: the folder of its `Cargo.toml`.
    Crate(PathBuf),
}

/// Names of an entrypoint, in the order in which they are looked for.
const SCRIPTS: [&str; 5] = ["index.ts", "index.js", "index.mjs", "index.jsx", "index.tsx"];

/// Slugs that may be functions: folders with a valid name, and what the settings declare. Folders
/// that begin with `_` are shared code, those with `.` are tools'.
pub(crate) fn slugs(functions_folder: &Path, settings: &Settings) -> BTreeSet<FunctionSlug> {
    let mut slugs: BTreeSet<FunctionSlug> = settings.declared_functions().collect();
    let Ok(entries) = std::fs::read_dir(functions_folder) else { return slugs };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(['_', '.']) || !entry.path().is_dir() {
            continue;
        }
        match FunctionSlug::parse(&name) {
            Ok(slug) => {
                slugs.insert(slug);
            }
            Err(error) => tracing::warn!(folder = %name, "not a function: {error}"),
        }
    }
    slugs
}

/// The entrypoint of `slug`; `None` for a folder that has none, unless the settings declare it.
pub(crate) fn entry(
    slug: &FunctionSlug,
    settings: &FunctionSettings,
    declared: bool,
    folders: &Folders,
    probes: &mut Probes,
) -> Result<Option<Entry>, SourceFault> {
    let folder = folders.functions.join(slug.as_str());
    if let Some(path) = &settings.entrypoint {
        return named_entry(path, folders, probes).map(Some);
    }
    for name in SCRIPTS {
        let path = folder.join(name);
        if probes.is_file(&path) {
            return Ok(Some(Entry::Script(path)));
        }
    }
    if probes.is_file(&folder.join("Cargo.toml")) {
        return Ok(Some(Entry::Crate(folder)));
    }
    if let Some(component) = only_component(&folder, probes)? {
        return Ok(Some(Entry::Component(component)));
    }
    if declared {
        let message =
            format!("functions.{slug} is declared, but there is no {}/index.ts", folders.shown(&folder));
        return Err(SourceFault::new(message).hint("create it, or set entrypoint in config.toml"));
    }
    Ok(None)
}

fn named_entry(path: &Path, folders: &Folders, probes: &mut Probes) -> Result<Entry, SourceFault> {
    let manifest = if path.ends_with("Cargo.toml") { path.to_path_buf() } else { path.join("Cargo.toml") };
    if probes.is_file(&manifest) {
        return Ok(Entry::Crate(manifest.parent().unwrap_or(path).to_path_buf()));
    }
    if !probes.is_file(path) {
        let message = format!("the entrypoint {} does not exist", folders.shown(path));
        return Err(SourceFault::new(message).hint("entrypoint in config.toml is relative to supabase/"));
    }
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension {
        Some("wasm") => Ok(Entry::Component(path.to_path_buf())),
        Some("ts" | "mts" | "tsx" | "js" | "mjs" | "jsx") => Ok(Entry::Script(path.to_path_buf())),
        _ => {
            let message = format!("the entrypoint {} is of no known kind", folders.shown(path));
            Err(SourceFault::new(message)
                .hint("a script (.ts, .js, …), a .wasm component or a Rust crate's folder"))
        }
    }
}

/// The one `.wasm` file of a folder without sources.
fn only_component(folder: &Path, probes: &mut Probes) -> Result<Option<PathBuf>, SourceFault> {
    let is_component = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wasm");
    let mut components: Vec<_> = probes.list(folder).into_iter().filter(is_component).collect();
    match components.len() {
        0 | 1 => Ok(components.pop()),
        count => {
            let message = format!("{count} .wasm files and no index.ts");
            Err(SourceFault::new(message)
                .hint("set entrypoint in config.toml to the one that is the function"))
        }
    }
}
