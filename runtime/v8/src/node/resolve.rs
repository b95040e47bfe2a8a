//! The modules of a function, and what their imports and requires mean.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use deno_core::ModuleSpecifier;
use isobase_engine::{Code, Module, Program};

/// The scheme of the host's own modules, `isobase:host/database` and its like.
const HOST_SCHEME: &str = "isobase:";
/// What the loader's stand-ins for CommonJS modules import. It gives nothing that `require` does not.
pub(crate) const FACADE: &str = "node:_commonjs";
/// What `require("./x")` may leave out.
const EXTENSIONS: [&str; 4] = [".js", ".json", ".cjs", ".mjs"];

/// Where packages are on a function's disk.
const PACKAGES: &str = "/node_modules/";

/// All that a function may load; empty until the isolate is given one. Nothing is read from the host's disk.
///
/// An isolate drops it after its runtime, which reads texts where they lie in here.
#[derive(Default)]
pub(crate) struct ProgramModules {
    given: OnceCell<Given>,
}

struct Given {
    program: Arc<Program>,
    places: HashMap<String, usize>,
}

/// The text of a module.
pub(crate) struct ModuleText {
    pub(crate) shared: Arc<str>,
    /// The same, when it stays where it is for as long as the isolate's runtime.
    pub(crate) lasting: Option<&'static str>,
}

impl ProgramModules {
    /// Once: a program stays for the isolate's life.
    pub(crate) fn fill(&self, program: &Arc<Program>) {
        let all = program.modules.iter().enumerate();
        let places = all.map(|(at, module)| (module.specifier.clone(), at)).collect();
        let filled = self.given.set(Given { program: program.clone(), places });
        debug_assert!(filled.is_ok(), "an isolate is given one function");
    }

    fn modules(&self) -> &[Module] {
        self.given.get().map_or(&[], |given| &given.program.modules)
    }

    fn listed(&self, specifier: &str) -> Option<&Module> {
        let given = self.given.get()?;
        given.program.modules.get(*given.places.get(specifier)?)
    }

    pub(crate) fn main(&self) -> Option<String> {
        Some(self.modules().first()?.specifier.clone())
    }

    pub(crate) fn text(&self, specifier: &str) -> Option<ModuleText> {
        match self.listed(specifier) {
            Some(module) => {
                let shared = module.code.text()?.clone();
                // SAFETY: the program is never taken out of `given` and its modules never change, so the text
                // stays where it is until this is dropped; only the isolate's runtime is given the reference,
                // and that is dropped before this (the order of `Isolate`'s fields).
                let lasting = unsafe { &*Arc::as_ptr(&shared) };
                Some(ModuleText { shared, lasting: Some(lasting) })
            }
            None => {
                let shared = self.on_disk(specifier)?.code.text()?.clone();
                Some(ModuleText { shared, lasting: None })
            }
        }
    }

    pub(crate) fn with<T>(&self, specifier: &str, look: impl FnOnce(&Module) -> T) -> Option<T> {
        match self.listed(specifier) {
            Some(module) => Some(look(module)),
            None => self.on_disk(specifier).as_ref().map(look),
        }
    }

    /// A file beside a package's modules that one of them may ask for by a name it computes.
    fn on_disk(&self, specifier: &str) -> Option<Module> {
        let path = super::path_of(specifier);
        let content = self.given.get()?.program.files.get(&path).filter(|_| is_code(&path))?;
        let text = Arc::from(std::str::from_utf8(content).ok()?);
        let code = if path.ends_with(".json") {
            Code::Json(text)
        } else {
            Code::CommonJs { text, exports: Vec::new() }
        };
        Some(Module { code, ..Module::script(specifier, "") })
    }

    pub(crate) fn find_map<T>(&self, look: impl FnMut(&Module) -> Option<T>) -> Option<T> {
        self.modules().iter().find_map(look)
    }

    fn holds(&self, specifier: &str) -> bool {
        let Some(given) = self.given.get() else { return false };
        let path = super::path_of(specifier);
        given.places.contains_key(specifier) || is_code(&path) && given.program.files.contains_key(&path)
    }

    fn declared(&self, specifier: &str, referrer: &str) -> Option<String> {
        self.with(referrer, |module| module.imports.get(specifier).cloned())?
    }

    /// What `import … from "specifier"` in `referrer` means.
    pub(crate) fn import(&self, specifier: &str, referrer: &str) -> Option<String> {
        if specifier.starts_with(HOST_SCHEME) || specifier == FACADE {
            return Some(specifier.to_owned());
        }
        if let Some(declared) = self.declared(specifier, referrer) {
            return Some(declared);
        }
        if let Some(builtin) = builtin(specifier) {
            return Some(builtin);
        }
        let absolute = deno_core::resolve_import(specifier, referrer).ok()?;
        self.holds(absolute.as_str()).then(|| absolute.into())
    }

    /// What `require("specifier")` in `referrer` means: what was found when the function was built, else by
    /// Node's rules among the function's modules, for names that were put together as it ran.
    pub(crate) fn require(&self, specifier: &str, referrer: &str) -> Option<String> {
        if let Some(declared) = self.declared(specifier, referrer) {
            return Some(declared);
        }
        if let Some(builtin) = builtin(specifier) {
            return Some(builtin);
        }
        let is_path = ["./", "../", "/", "file:"].iter().any(|start| specifier.starts_with(start))
            || specifier == "."
            || specifier == "..";
        let base = ModuleSpecifier::parse(referrer).ok()?;
        if is_path {
            return self.file_or_folder(base.join(specifier).ok()?.as_str());
        }
        let folders = base.path().match_indices('/').map(|(at, _)| &base.path()[..at]);
        folders
            .rev()
            .filter(|folder| !folder.ends_with("/node_modules"))
            .find_map(|folder| self.file_or_folder(&format!("file://{folder}/node_modules/{specifier}")))
    }

    fn file_or_folder(&self, url: &str) -> Option<String> {
        if url.ends_with('/') {
            return self.folder(url.trim_end_matches('/'));
        }
        self.file(url).or_else(|| self.folder(url))
    }

    fn file(&self, url: &str) -> Option<String> {
        let with_extensions = EXTENSIONS.iter().map(|extension| format!("{url}{extension}"));
        std::iter::once(url.to_owned()).chain(with_extensions).find(|candidate| self.holds(candidate))
    }

    fn folder(&self, url: &str) -> Option<String> {
        let main = self.with(&format!("{url}/package.json"), |package| match &package.code {
            Code::Json(text) => main_of(text),
            _ => None,
        });
        let main = main.flatten().map(|main| format!("{url}/{}", main.trim_start_matches("./")));
        main.and_then(|main| self.file(&main).or_else(|| self.file(&format!("{main}/index"))))
            .or_else(|| self.file(&format!("{url}/index")))
    }
}

/// Whether a file of a function's disk may be a module, as far as its name tells.
fn is_code(path: &str) -> bool {
    path.starts_with(PACKAGES) && [".js", ".cjs", ".json"].iter().any(|end| path.ends_with(end))
}

fn main_of(package: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Package {
        main: Option<String>,
    }
    serde_json::from_str::<Package>(package).ok()?.main
}

/// `name` or `node:name` of one of Node's modules, as `node:name`.
pub(crate) fn builtin(name: &str) -> Option<String> {
    let (bare, is_prefixed) = match name.strip_prefix("node:") {
        Some(bare) => (bare, true),
        None => (name, false),
    };
    // As in Node: these are no names of packages only with their prefix.
    let needs_prefix = matches!(bare, "sqlite" | "test" | "test/reporters");
    let is_builtin = deno_node::is_builtin_node_module(bare) && (is_prefixed || !needs_prefix);
    is_builtin.then(|| format!("node:{bare}"))
}

/// Shared by the loader and the operations of `require`.
pub(crate) type SharedModules = Rc<ProgramModules>;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use isobase_engine::{Code, Module, Program};

    use super::{ProgramModules, builtin};

    fn modules(entries: &[(&str, &str)]) -> ProgramModules {
        let all = entries.iter().map(|(specifier, text)| {
            let mut module = Module::script(*specifier, *text);
            if specifier.ends_with(".json") {
                module.code = Code::Json((*text).into());
            }
            module
        });
        let modules = ProgramModules::default();
        modules.fill(&Arc::new(Program { modules: all.collect(), ..Program::default() }));
        modules
    }

    #[test]
    fn requires_follow_nodes_rules() {
        let modules = modules(&[
            ("file:///node_modules/a/lib/one.js", ""),
            ("file:///node_modules/a/data.json", "{}"),
            ("file:///node_modules/a/sub/index.js", ""),
            ("file:///node_modules/b/package.json", r#"{"main":"./lib/main"}"#),
            ("file:///node_modules/b/lib/main.js", ""),
        ]);
        let from = "file:///node_modules/a/lib/one.js";
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(modules.require(name, from).as_deref(), expected, "{name}");
        };
        check("./one", Some(from));
        check("../data", Some("file:///node_modules/a/data.json"));
        check("../sub", Some("file:///node_modules/a/sub/index.js"));
        check("../sub/", Some("file:///node_modules/a/sub/index.js"));
        check("b", Some("file:///node_modules/b/lib/main.js"));
        check("b/lib/main", Some("file:///node_modules/b/lib/main.js"));
        check("/node_modules/a/lib/one.js", Some(from));
        check("fs", Some("node:fs"));
        check("./two", None);
        check("c", None);
    }

    #[test]
    fn builtins_are_known_by_both_names() {
        assert_eq!(builtin("fs/promises").as_deref(), Some("node:fs/promises"));
        assert_eq!(builtin("node:sqlite").as_deref(), Some("node:sqlite"));
        assert_eq!(builtin("sqlite"), None);
        assert_eq!(builtin("node:nothing"), None);
    }
}
