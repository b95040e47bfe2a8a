//! Which file of which package a specifier means: Node's lookup, over the packages of one function.

use crate::exports::{Asked, Target, exported, imported};
use crate::installed::{Installed, PackageFile};
use crate::package_json::ModuleKind;

/// What a specifier leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    File(PackageFile),
    /// `node:…`
    Builtin(String),
}

/// Why it leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    #[error("there is no module {0}")]
    NoBuiltin(String),
    #[error("{package} does not depend on a package {name}, or that is not meant for this machine")]
    NoDependency { package: String, name: String },
    #[error("{package} exports no {subpath:?}")]
    NotExported { package: String, subpath: String },
    #[error("{package} has no file {path:?}")]
    NoFile { package: String, path: String },
    #[error("{package} says in its package.json nothing of {specifier:?}")]
    NotImported { package: String, specifier: String },
}

/// Endings that `require` tries.
const ENDINGS: [&str; 6] = ["js", "json", "node", "mjs", "cjs", "ts"];
/// Modules of Node that functions may name.
const BUILTINS: &[&str] = &[
    "_http_agent",
    "_http_client",
    "_http_common",
    "_http_incoming",
    "_http_outgoing",
    "_http_server",
    "_stream_duplex",
    "_stream_passthrough",
    "_stream_readable",
    "_stream_transform",
    "_stream_writable",
    "_tls_common",
    "_tls_wrap",
    "assert",
    "assert/strict",
    "async_hooks",
    "buffer",
    "child_process",
    "cluster",
    "console",
    "constants",
    "crypto",
    "dgram",
    "diagnostics_channel",
    "dns",
    "dns/promises",
    "domain",
    "events",
    "fs",
    "fs/promises",
    "http",
    "http2",
    "https",
    "inspector",
    "inspector/promises",
    "module",
    "net",
    "os",
    "path",
    "path/posix",
    "path/win32",
    "perf_hooks",
    "process",
    "punycode",
    "querystring",
    "readline",
    "readline/promises",
    "repl",
    "stream",
    "stream/consumers",
    "stream/promises",
    "stream/web",
    "string_decoder",
    "sys",
    "timers",
    "timers/promises",
    "tls",
    "trace_events",
    "tty",
    "url",
    "util",
    "util/types",
    "v8",
    "vm",
    "wasi",
    "worker_threads",
    "zlib",
];
/// Those that have no name without `node:`.
const BUILTINS_BY_SCHEME: &[&str] = &["sea", "sqlite", "test", "test/reporters"];

/// `node:x` for a module of Node, named with or without its scheme.
pub fn builtin(specifier: &str) -> Option<String> {
    let name = specifier.strip_prefix("node:");
    let is_known = match name {
        Some(name) => BUILTINS.contains(&name) || BUILTINS_BY_SCHEME.contains(&name),
        None => BUILTINS.contains(&specifier),
    };
    is_known.then(|| format!("node:{}", name.unwrap_or(specifier)))
}

impl Installed {
    /// What the function itself means by `requirement` (`name@range`) and a path in it.
    pub fn entry(
        &self,
        requirement: &str,
        subpath: Option<&str>,
        asked: Asked,
    ) -> Result<PackageFile, LookupError> {
        let missing =
            || LookupError::NoDependency { package: "the function".into(), name: requirement.into() };
        let package = self.required(requirement).ok_or_else(missing)?;
        self.in_package(package, "", subpath.unwrap_or_default(), asked)
    }

    /// What `specifier` means in `from`.
    pub fn resolve(&self, specifier: &str, from: &PackageFile, asked: Asked) -> Result<Found, LookupError> {
        if specifier.starts_with("node:") {
            let missing = || LookupError::NoBuiltin(specifier.to_owned());
            return builtin(specifier).map(Found::Builtin).ok_or_else(missing);
        }
        let is_relative = ["./", "../"].iter().any(|start| specifier.starts_with(start));
        if is_relative || specifier == "." || specifier == ".." {
            let folder = from.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let missing = || self.no_file(from.package, specifier);
            let path = joined(folder, plain(specifier)).ok_or_else(missing)?;
            let as_folder = specifier.ends_with('/') || specifier.ends_with('.');
            return self.file(from.package, &path, as_folder).map(Found::File).ok_or_else(missing);
        }
        if specifier.starts_with('#') {
            return self.own_import(specifier, from, asked);
        }
        self.bare(specifier, from, asked)
    }

    fn bare(&self, specifier: &str, from: &PackageFile, asked: Asked) -> Result<Found, LookupError> {
        if let Some(builtin) = builtin(specifier) {
            return Ok(Found::Builtin(builtin));
        }
        let (name, subpath) = split(specifier);
        let package = &self.packages[from.package];
        // A package may call itself by its name, where it says what it exports.
        if let Some((folder, json)) = self.scope(from)
            && json.name.as_deref() == Some(name)
            && json.exports.is_some()
            && folder.is_empty()
        {
            return self.in_package(from.package, "", subpath, asked).map(Found::File);
        }
        if let Some(folder) = self.bundled(name, from) {
            return self.in_package(from.package, &folder, subpath, asked).map(Found::File);
        }
        let own = package.dependencies.get(name).copied();
        let itself = (package.name == name).then_some(from.package);
        // Packages that forget to name what they need find it at the top, as in Node.
        let found = own.or(itself).or_else(|| self.by_name.get(name).copied());
        let missing = || LookupError::NoDependency { package: package.id.clone(), name: name.to_owned() };
        self.in_package(found.ok_or_else(missing)?, "", subpath, asked).map(Found::File)
    }

    fn own_import(&self, specifier: &str, from: &PackageFile, asked: Asked) -> Result<Found, LookupError> {
        let package = self.packages[from.package].id.clone();
        let missing = || LookupError::NotImported { package, specifier: specifier.to_owned() };
        let (folder, json) = self.scope(from).ok_or_else(missing.clone())?;
        let target = json.imports.as_ref().and_then(|imports| imported(imports, specifier, asked));
        match target.ok_or_else(missing.clone())? {
            Target::File(file) => {
                let path = joined(&folder, &file).ok_or_else(missing)?;
                let missing = || self.no_file(from.package, &path);
                self.file(from.package, &path, false).map(Found::File).ok_or_else(missing)
            }
            Target::Bare(specifier) if specifier.starts_with("node:") => {
                self.resolve(&specifier, from, asked)
            }
            Target::Bare(specifier) => self.bare(&specifier, from, asked),
        }
    }

    /// The folder of a package that the package of `from` brings itself.
    fn bundled(&self, name: &str, from: &PackageFile) -> Option<String> {
        let package = &self.packages[from.package];
        if !package.bundles {
            return None;
        }
        let mut folder = from.path.as_str();
        loop {
            folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder);
            let inner = joined(folder, &format!("node_modules/{name}"))?;
            if package.disk.join(&inner).is_dir() {
                return Some(inner);
            }
            if folder.is_empty() {
                return None;
            }
        }
    }

    /// `base` is the folder of a package that another brings, else empty; `subpath` is empty for the main
    /// module.
    fn in_package(
        &self,
        package: usize,
        base: &str,
        subpath: &str,
        asked: Asked,
    ) -> Result<PackageFile, LookupError> {
        let id = || self.packages[package].id.clone();
        let json = self.package_json(package, base).unwrap_or_default();
        if let Some(exports) = &json.exports {
            let key = if subpath.is_empty() { ".".to_owned() } else { format!("./{subpath}") };
            let missing = || LookupError::NotExported { package: id(), subpath: key.clone() };
            let path = exported(exports, &key, asked).and_then(|path| joined(base, &path));
            let path = path.ok_or_else(missing)?;
            return self.file(package, &path, false).ok_or_else(|| self.no_file(package, &path));
        }
        let missing = || self.no_file(package, if subpath.is_empty() { "index.js" } else { subpath });
        let path = joined(base, plain(subpath)).ok_or_else(missing)?;
        self.file(package, &path, subpath.is_empty() || subpath.ends_with('/')).ok_or_else(missing)
    }

    /// `LOAD_AS_FILE` and `LOAD_AS_DIRECTORY`.
    fn file(&self, package: usize, path: &str, as_folder: bool) -> Option<PackageFile> {
        let disk = &self.packages[package].disk;
        let is_file = |path: &str| !path.is_empty() && disk.join(path).is_file();
        let made = |path: String| PackageFile { package, path };
        let with_endings = |path: &str| {
            let candidates = ENDINGS.iter().map(|ending| format!("{path}.{ending}"));
            candidates.into_iter().find(|candidate| is_file(candidate))
        };
        if !as_folder {
            if is_file(path) {
                return Some(made(path.to_owned()));
            }
            if let Some(found) = with_endings(path) {
                return Some(made(found));
            }
        }
        let main = self.package_json(package, path).and_then(|json| json.main.clone());
        if let Some(main) = main.and_then(|main| joined(path, &main)) {
            let index = if main.is_empty() { "index".to_owned() } else { format!("{main}/index") };
            let found = is_file(&main).then(|| main.clone());
            if let Some(found) = found.or_else(|| with_endings(&main)).or_else(|| with_endings(&index)) {
                return Some(made(found));
            }
        }
        let index = if path.is_empty() { "index".to_owned() } else { format!("{path}/index") };
        with_endings(&index).map(made)
    }

    /// What the nearest `package.json` says a `.js` file is.
    pub fn kind(&self, file: &PackageFile) -> Option<ModuleKind> {
        self.scope(file).and_then(|(_, json)| json.kind)
    }

    /// The nearest `package.json` above a file, and its folder.
    fn scope(
        &self,
        file: &PackageFile,
    ) -> Option<(String, std::sync::Arc<crate::package_json::PackageJson>)> {
        let mut folder = file.path.as_str();
        loop {
            folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder);
            if let Some(json) = self.package_json(file.package, folder) {
                return Some((folder.to_owned(), json));
            }
            if folder.is_empty() {
                return None;
            }
        }
    }

    fn no_file(&self, package: usize, path: &str) -> LookupError {
        LookupError::NoFile { package: self.packages[package].id.clone(), path: path.to_owned() }
    }
}

/// `name` or `@scope/name`, and the rest.
fn split(specifier: &str) -> (&str, &str) {
    let from = if specifier.starts_with('@') { specifier.find('/').map_or(0, |slash| slash + 1) } else { 0 };
    match specifier[from..].find('/') {
        Some(slash) => (&specifier[..from + slash], &specifier[from + slash + 1..]),
        None => (specifier, ""),
    }
}

/// Without a query or a fragment.
fn plain(specifier: &str) -> &str {
    specifier.split(['?', '#']).next().unwrap_or(specifier)
}

/// `path` seen from `folder`; `None` where it leaves the package.
fn joined(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
