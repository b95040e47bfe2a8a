//! Loads a script and everything it imports into the program an engine runs.
//!
//! First the function's own modules, local and remote (`own.rs`); what they ask of packages is gathered,
//! so that versions are chosen once and for all of it. Then the modules of packages (`packages.rs`), what
//! CommonJS modules hand on to others (`exports.rs`), and the files that are read beside code (`data.rs`).

mod data;
mod exports;
mod found;
mod own;
mod packages;

use std::collections::BTreeSet;
use std::path::Path;

use isobase_engine::{Code, Module, Program};
use isobase_packages::{Asked, Installed, Reference};

use crate::fault::{Position, SourceFault};
use crate::import_map::ImportMap;
use crate::imports::ImportKind;
use crate::probes::Probes;
use crate::resolve::Folders;
use crate::supply::Outside;
use crate::transpile::{CommonExports, Scripts};
use found::{Format, Found, Pending, Place};

/// Stands for every import of type declarations.
const EMPTY_MODULE: &str = "file:///_empty.js";

/// What loading needs besides the entrypoint.
pub(crate) struct Loader<'a> {
    pub(crate) folders: &'a Folders,
    pub(crate) map: &'a ImportMap,
    pub(crate) probes: &'a mut Probes,
    pub(crate) scripts: &'a mut Scripts,
    pub(crate) outside: Outside<'a>,
    /// Patterns of files that the function reads.
    pub(crate) static_files: &'a [String],
}

/// A program on its way.
#[derive(Default)]
struct Work {
    found: Found,
    modules: Vec<Module>,
    /// What is known of CommonJS modules, by number of the module.
    common: Vec<Option<CommonExports>>,
    /// Imports of packages, for when their versions are known.
    wanted: Vec<Wanted>,
    installed: Installed,
    /// Packages whose modules read files, by a module of each.
    readers: data::Readers,
}

/// An import of a package in one of the function's own modules.
struct Wanted {
    module: usize,
    written: String,
    reference: Reference,
    kind: ImportKind,
    guarded: bool,
    position: Position,
}

/// A module, and what others find in it where it is CommonJS.
type Loaded = (Module, Option<CommonExports>);

/// A program, and the lock file that binds another build to the same packages.
pub(crate) struct Linked {
    pub(crate) program: Program,
    pub(crate) lock: Option<String>,
}

impl Loader<'_> {
    /// The function that begins at `entry`; the entrypoint's module comes first.
    pub(crate) fn load(mut self, entry: &Path) -> Result<Linked, SourceFault> {
        let mut work = Work::default();
        let pending = Pending {
            place: Place::File(entry.to_path_buf()),
            format: Format::Script,
            importer: None,
            may_fail: false,
        };
        work.found.add(self.folders.shown(entry), pending);
        self.load_pending(&mut work)?;
        if let Outside::Host { .. } = &self.outside {
            self.install(&mut work)?;
            self.load_pending(&mut work)?;
        }
        exports::hand_on(&mut work.modules, &work.common);
        if work.found.uses_empty {
            work.modules.push(Module::script(EMPTY_MODULE, "export {};"));
        }
        let files = self.data(&work)?;
        let lock = match &self.outside {
            Outside::Host { session, .. } => session.lock(),
            Outside::Nowhere | Outside::Server => None,
        };
        let needs_node = !work.installed.is_empty() || work.modules.iter().any(uses_node);
        Ok(Linked { program: Program { modules: work.modules, files, needs_node }, lock })
    }

    fn load_pending(&mut self, work: &mut Work) -> Result<(), SourceFault> {
        while let Some(pending) = work.found.pending.pop_front() {
            let number = work.modules.len();
            let loaded = match &pending.place {
                Place::File(path) => self.local(path, &pending, number, work),
                Place::Remote(url) => self.remote(url, &pending, number, work),
                Place::Package(file) => self.of_package(file, &pending, number, work),
            };
            let (module, common) = loaded.map_err(|fault| work.found.with_chain(fault, &pending, number))?;
            work.modules.push(module);
            work.common.push(common);
        }
        Ok(())
    }

    /// Chooses versions for everything that was asked for, and finds the files that are meant.
    fn install(&mut self, work: &mut Work) -> Result<(), SourceFault> {
        let Outside::Host { session, .. } = &mut self.outside else { return Ok(()) };
        let mut wanted = std::mem::take(&mut work.wanted);
        while !wanted.is_empty() {
            let all: BTreeSet<String> =
                wanted.iter().map(|wanted| wanted.reference.requirement.clone()).collect();
            let error = match session.install(&all.into_iter().collect::<Vec<_>>()) {
                Ok(installed) => {
                    work.installed = installed;
                    break;
                }
                Err(error) => error,
            };
            let culprit =
                |wanted: &&Wanted| Some(&wanted.reference.requirement) == error.requirement.as_ref();
            let asking: Vec<&Wanted> = wanted.iter().filter(culprit).collect();
            // What is only asked for while the function runs may be missing until then.
            if !asking.is_empty() && asking.iter().all(|wanted| wanted.may_fail()) {
                tracing::warn!(requirement = error.requirement, "left out of a function: {}", error.error);
                wanted.retain(|wanted| Some(&wanted.reference.requirement) != error.requirement.as_ref());
                continue;
            }
            let fault = SourceFault::of_packages(&error.error);
            let blamed = asking.iter().find(|wanted| !wanted.may_fail()).or(asking.first());
            return Err(match blamed.copied().or(wanted.first()) {
                Some(wanted) => work.found.with_chain_of(fault.at(wanted.position.clone()), wanted.module),
                None => fault,
            });
        }
        for wanted in wanted {
            self.enter(wanted, work)?;
        }
        Ok(())
    }

    /// Finds the file that an import of the function's own modules means.
    fn enter(&mut self, wanted: Wanted, work: &mut Work) -> Result<(), SourceFault> {
        let Reference { requirement, subpath } = &wanted.reference;
        let asked = asked(wanted.kind);
        let entry = match work.installed.entry(requirement, subpath.as_deref(), asked) {
            Ok(entry) => entry,
            Err(_) if wanted.may_fail() => return Ok(()),
            Err(error) => {
                let fault = SourceFault::new(error.to_string()).at(wanted.position);
                return Err(work.found.with_chain_of(fault, wanted.module));
            }
        };
        let importer = Some((wanted.module, wanted.position.clone()));
        let added = packages::add(entry, wanted.kind, wanted.may_fail(), importer, work);
        let meant = added
            .map_err(|fault| work.found.with_chain_of(fault.at(wanted.position.clone()), wanted.module))?;
        if let Some(meant) = meant {
            work.modules[wanted.module].imports.insert(wanted.written, meant);
        }
        Ok(())
    }
}

impl Wanted {
    fn may_fail(&self) -> bool {
        self.guarded || self.kind != ImportKind::Static
    }
}

/// The condition in a package's `exports`.
fn asked(kind: ImportKind) -> Asked {
    match kind {
        ImportKind::Static | ImportKind::Dynamic => Asked::Import,
        ImportKind::Require => Asked::Require,
    }
}

fn uses_node(module: &Module) -> bool {
    matches!(module.code, Code::CommonJs { .. })
        || module.imports.values().any(|meant| meant.starts_with("node:"))
}

fn value_module(specifier: String, expression: &str) -> Module {
    Module::script(specifier, format!("export default {expression};"))
}

/// A JSON string is a JavaScript string since ES2019.
fn js_string(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}
