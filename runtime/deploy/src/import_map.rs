//! Import maps and the part of `deno.json` that concerns a build.
//!
//! `imports` and `scopes` follow the Import Maps section of the HTML standard: exact keys first,
//! then the longest key that ends in `/`. Addresses are relative to the map's file. As in Deno, an entry
//! for a package also stands for the paths in it, a workspace's entries stand behind those of its
//! members, and where there is no map at all, the dependencies of the nearest `package.json` are one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use isobase_base::limits::{PACKAGE_SETTINGS_BYTES_MAX, SOURCE_FILE_BYTES_MAX};
use serde_json::Value;

use crate::compiler_options::CompilerOptions;
use crate::fault::SourceFault;
use crate::jsonc;
use crate::probes::Probes;
use crate::resolve::{Folders, absolute, is_relative};
use crate::workspace;

/// What specifiers stand for, and how sources are compiled.
#[derive(Default)]
pub(crate) struct ImportMap {
    imports: Vec<Entry>,
    /// By folder or file that the referrer must be in, the longest first.
    scopes: Vec<(PathBuf, Vec<Entry>)>,
    /// `npm:name@range` by name: what the nearest `package.json` depends on.
    dependencies: BTreeMap<String, String>,
    pub(crate) compiler: CompilerOptions,
}

struct Entry {
    key: String,
    address: Address,
}

/// What an entry of the map leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    File(PathBuf),
    /// `npm:…`, `jsr:…`, `isobase:host/…`, `https:…`.
    Url(String),
}

impl ImportMap {
    /// Finds the map of a function: the one its settings name, else `deno.json`, `deno.jsonc` or
    /// `import_map.json` beside its entrypoint, else one of these beside all functions, where older
    /// projects share one. None is no error.
    pub(crate) fn find(
        named: Option<&Path>,
        entry_folder: &Path,
        folders: &Folders,
        probes: &mut Probes,
        show: impl Fn(&Path) -> String,
    ) -> Result<Self, SourceFault> {
        if let Some(path) = named {
            if !probes.is_file(path) {
                let message = format!("the import map {} does not exist", show(path));
                return Err(
                    SourceFault::new(message).hint("import_map in config.toml is relative to supabase/")
                );
            }
            return Self::load(path, probes, &show);
        }
        for folder in [entry_folder, &folders.functions] {
            for name in ["deno.json", "deno.jsonc", "import_map.json"] {
                let path = folder.join(name);
                if probes.is_file(&path) {
                    let mut map = Self::load(&path, probes, &show)?;
                    map.join_workspace(folder, folders, probes, &show)?;
                    return Ok(map);
                }
            }
        }
        let mut map = Self::default();
        map.join_workspace(entry_folder, folders, probes, &show)?;
        if map.imports.is_empty() {
            map.dependencies = dependencies(entry_folder, folders, probes, &show)?;
        }
        Ok(map)
    }

    /// Adds the entries of the nearest workspace, whose root is `folder` or above it, behind its own. What a
    /// member maps holds for its own files.
    fn join_workspace(
        &mut self,
        folder: &Path,
        folders: &Folders,
        probes: &mut Probes,
        show: &impl Fn(&Path) -> String,
    ) -> Result<(), SourceFault> {
        let above = folder.ancestors().take_while(|folder| folder.starts_with(&folders.project));
        for folder in above {
            for name in ["deno.json", "deno.jsonc"] {
                let path = folder.join(name);
                if !probes.is_file(&path) {
                    continue;
                }
                let text = probes.read(&path, SOURCE_FILE_BYTES_MAX).unwrap_or_default();
                let value = jsonc::parse(&String::from_utf8_lossy(&text)).unwrap_or_default();
                if value.get("workspace").is_none() {
                    continue;
                }
                let root = Self::load(&path, probes, show)?;
                let mut exports = Vec::new();
                for member in workspace::folders(value.get("workspace"), folder, probes) {
                    exports.extend(workspace::exports(&member, probes));
                    if let Some(settings) = workspace::settings(&member, probes) {
                        self.scopes.push((member, Self::load(&settings, probes, show)?.imports));
                    }
                }
                self.scopes.sort_by_key(|(prefix, _)| Reverse(prefix.as_os_str().len()));
                let exports =
                    exports.into_iter().map(|(key, path)| Entry { key, address: Address::File(path) });
                let own: BTreeSet<String> = self.imports.iter().map(|entry| entry.key.clone()).collect();
                let more = root.imports.into_iter().chain(exports);
                self.imports.extend(more.filter(|entry| !own.contains(&entry.key)));
                self.imports.sort_by_key(|entry| Reverse(entry.key.len()));
                return Ok(());
            }
        }
        Ok(())
    }

    /// What the nearest `package.json` says of a bare `specifier`.
    pub(crate) fn dependency(&self, specifier: &str) -> Option<String> {
        let fits = |name: &str| match specifier.strip_prefix(name) {
            Some(rest) => (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned()),
            None => None,
        };
        self.dependencies.iter().find_map(|(name, address)| Some(format!("{address}{}", fits(name)?)))
    }

    fn load(path: &Path, probes: &mut Probes, show: &impl Fn(&Path) -> String) -> Result<Self, SourceFault> {
        let fault = |problem: String| SourceFault::new(format!("{}: {problem}", show(path)));
        let bytes = probes.read(path, SOURCE_FILE_BYTES_MAX).map_err(|error| fault(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| fault("not UTF-8".into()))?;
        let value = jsonc::parse(&text).map_err(fault)?;
        let Value::Object(file) = value else { return Err(fault("expected an object".into())) };
        let folder = path.parent().unwrap_or(path);
        let mut map = match file.get("importMap").and_then(Value::as_str) {
            Some(other) if !file.contains_key("imports") => {
                Self::load(&absolute(folder, other), probes, show)?
            }
            _ => Self::default(),
        };
        if let Some(imports) = file.get("imports") {
            map.imports = entries(imports, folder).map_err(fault)?;
        }
        if let Some(scopes) = file.get("scopes") {
            let scopes = scopes.as_object().ok_or_else(|| fault("scopes: expected an object".into()))?;
            for (prefix, imports) in scopes {
                map.scopes.push((absolute(folder, prefix), entries(imports, folder).map_err(fault)?));
            }
            map.scopes.sort_by_key(|(prefix, _)| Reverse(prefix.as_os_str().len()));
        }
        if let Some(Value::Object(options)) = file.get("compilerOptions") {
            map.compiler = CompilerOptions::read(options);
        }
        Ok(map)
    }

    /// What `specifier`, written in the file `referrer`, is mapped to.
    pub(crate) fn lookup(&self, specifier: &str, referrer: &Path) -> Option<Address> {
        let scoped = self.scopes.iter().filter(|(prefix, _)| referrer.starts_with(prefix));
        scoped
            .map(|(_, entries)| entries)
            .chain([&self.imports])
            .find_map(|entries| lookup(entries, specifier))
    }
}

fn lookup(entries: &[Entry], specifier: &str) -> Option<Address> {
    for Entry { key, address } in entries {
        if key == specifier {
            return Some(address.clone());
        }
        if let (true, Some(rest)) = (key.ends_with('/'), specifier.strip_prefix(key.as_str())) {
            return Some(match address {
                Address::File(folder) => Address::File(absolute(folder, rest)),
                Address::Url(url) => Address::Url(format!("{url}{rest}")),
            });
        }
        // Of a package, its paths too.
        if let Address::Url(url) = address
            && (url.starts_with("npm:") || url.starts_with("jsr:"))
            && let Some(rest) = specifier.strip_prefix(key.as_str()).filter(|rest| rest.starts_with('/'))
        {
            return Some(Address::Url(format!("{url}{rest}")));
        }
    }
    None
}

/// Longest keys first, so that the first match is the right one.
fn entries(imports: &Value, folder: &Path) -> Result<Vec<Entry>, String> {
    let imports = imports.as_object().ok_or("imports: expected an object")?;
    let mut entries = Vec::with_capacity(imports.len());
    for (key, address) in imports {
        let address = address.as_str().ok_or_else(|| format!("imports: {key:?}: expected a string"))?;
        let address = match address.strip_prefix("file://") {
            Some(path) => Address::File(PathBuf::from(path)),
            None if is_relative(address) => Address::File(absolute(folder, address)),
            None => Address::Url(address.to_owned()),
        };
        entries.push(Entry { key: key.clone(), address });
    }
    entries.sort_by_key(|entry| Reverse(entry.key.len()));
    Ok(entries)
}

/// The dependencies of the nearest `package.json`, as addresses.
fn dependencies(
    entry_folder: &Path,
    folders: &Folders,
    probes: &mut Probes,
    show: &impl Fn(&Path) -> String,
) -> Result<BTreeMap<String, String>, SourceFault> {
    let mut above = entry_folder.ancestors().take_while(|folder| folder.starts_with(&folders.project));
    let Some(path) = above.find_map(|folder| {
        let path = folder.join("package.json");
        probes.is_file(&path).then_some(path)
    }) else {
        return Ok(BTreeMap::new());
    };
    let fault = |problem: String| SourceFault::new(format!("{}: {problem}", show(&path)));
    let bytes = probes.read(&path, PACKAGE_SETTINGS_BYTES_MAX).map_err(|error| fault(error.to_string()))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| fault(error.to_string()))?;
    let mut found = BTreeMap::new();
    for group in ["devDependencies", "optionalDependencies", "dependencies"] {
        let entries = value.get(group).and_then(Value::as_object).into_iter().flatten();
        for (name, range) in entries {
            let range = range.as_str().unwrap_or_default();
            let address = match range.split_once(':') {
                None => format!("npm:{name}@{}", if range.is_empty() { "*" } else { range }),
                Some(("npm" | "jsr", _)) => range.to_owned(),
                // Folders, repositories, archives: the specifier stays unknown.
                Some(_) => continue,
            };
            found.insert(name.clone(), address);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{Address, ImportMap};
    use crate::probes::Probes;
    use crate::resolve::Folders;
    use std::path::Path;

    fn map(text: &str) -> Result<ImportMap, String> {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("deno.json");
        std::fs::write(&path, text).unwrap();
        let text = text.replace("$", &folder.to_string_lossy());
        std::fs::write(&path, text).unwrap();
        let folders = Folders { project: folder.clone(), functions: folder.clone() };
        ImportMap::find(None, &folder, &folders, &mut Probes::default(), |_| "deno.json".into())
            .map_err(|fault| fault.to_string())
    }

    #[test]
    fn exact_keys_then_the_longest_prefix() {
        let map = map(r#"{ // comment
            "imports": {
                "zod": "npm:zod@3", "a/": "file:///x/", "a/b/": "file:///y/", "a/exact": "file:///z.ts",
                "host": "isobase:host/database", "std/": "jsr:@std/",
            },
            "scopes": { "file:///": {}, "/only/here/": { "zod": "file:///local.ts" } } }"#)
        .unwrap();
        let url = |text: &str| Some(Address::Url(text.into()));
        let file = |text: &str| Some(Address::File(text.into()));
        for (specifier, referrer, expected) in [
            ("zod", "/f/index.ts", url("npm:zod@3")),
            ("zod", "/only/here/index.ts", file("/local.ts")),
            ("zod/v4", "/f/index.ts", url("npm:zod@3/v4")),
            ("zodiac", "/f/index.ts", None),
            ("a/exact", "/f/index.ts", file("/z.ts")),
            ("a/b/c.ts", "/f/index.ts", file("/y/c.ts")),
            ("a/c.ts", "/f/index.ts", file("/x/c.ts")),
            ("host", "/f/index.ts", url("isobase:host/database")),
            ("std/path", "/f/index.ts", url("jsr:@std/path")),
            ("./a", "/f/index.ts", None),
        ] {
            assert_eq!(map.lookup(specifier, Path::new(referrer)), expected, "{specifier} in {referrer}");
        }
    }

    #[test]
    fn faults_name_the_file() {
        for (text, expected) in [
            ("[]", "deno.json: expected an object"),
            ("{\"imports\": 1}", "deno.json: imports: expected an object"),
            ("{\"imports\": {\"a\": 1}}", "deno.json: imports: \"a\": expected a string"),
            ("{", "deno.json: EOF while parsing an object at line 1 column 1"),
        ] {
            assert_eq!(map(text).err().as_deref(), Some(expected), "{text}");
        }
    }
}
