//! Modules of packages.

use std::collections::BTreeMap;
use std::sync::Arc;

use isobase_base::limits::{PACKAGE_MODULES_BYTES_MAX, PACKAGE_MODULES_MAX};
use isobase_engine::{Code, Module};
use isobase_packages::{Found as Meant, PackageFile};

use super::found::{Format, Pending, Place};
use super::own::wasm_imports;
use super::{Loaded, Loader, Work, asked, js_string, value_module};
use crate::fault::{Position, SourceFault};
use crate::imports::{Import, ImportKind};
use crate::package_script::PackageScript;
use crate::supply::Outside;

/// The ending of machine code.
const ADDON: &str = "node";

impl Loader<'_> {
    pub(super) fn of_package(
        &mut self,
        file: &PackageFile,
        pending: &Pending,
        number: usize,
        work: &mut Work,
    ) -> Result<Loaded, SourceFault> {
        if number >= PACKAGE_MODULES_MAX {
            let message =
                format!("the function has more than {PACKAGE_MODULES_MAX} modules with its packages");
            return Err(pending.blame(message));
        }
        let path = work.installed.disk(file);
        let shown = work.installed.shown(file);
        let bytes =
            std::fs::metadata(&path).map_err(|error| pending.blame(format!("{shown}: {error}")))?.len();
        work.found.package_bytes += bytes;
        if work.found.package_bytes > PACKAGE_MODULES_BYTES_MAX {
            let message =
                format!("the modules of packages are larger than {PACKAGE_MODULES_BYTES_MAX} bytes");
            return Err(pending.blame(message));
        }
        let specifier = work.installed.specifier(file);
        let loaded = match pending.format {
            Format::Script => self.package_script(file, specifier.clone(), pending, number, work),
            Format::Json | Format::RequiredJson | Format::Text | Format::Wasm => {
                let content = std::fs::read(&path);
                let content = content.map_err(|error| pending.blame(format!("{shown}: {error}")))?;
                value(specifier.clone(), shown, content, file, pending, number, work)
            }
        };
        match loaded {
            // Something that nobody may ever need: who does, learns it then.
            Err(fault) if pending.may_fail => {
                let text = format!("throw new SyntaxError({});", js_string(&fault.message));
                let code = Code::CommonJs { text: text.into(), exports: Vec::new() };
                Ok((Module { code, ..Module::script(specifier, "") }, None))
            }
            loaded => loaded,
        }
    }

    fn package_script(
        &mut self,
        file: &PackageFile,
        specifier: String,
        pending: &Pending,
        number: usize,
        work: &mut Work,
    ) -> Result<Loaded, SourceFault> {
        let shown = work.installed.shown(file);
        let Outside::Host { scripts, .. } = &self.outside else {
            return Err(SourceFault::new(format!("{shown}: packages are not at hand")));
        };
        let path = work.installed.disk(file);
        let script = scripts.get(&path, &specifier, &shown, work.installed.kind(file))?;
        let imports = meanings(&script, file, pending, number, work)?;
        work.readers.note(file, script.reads);
        let text = Arc::clone(&script.text);
        let code = match &script.common {
            Some(common) => Code::CommonJs { text, exports: common.names.clone() },
            None => Code::Script(text),
        };
        Ok((Module { code, imports, ..Module::script(specifier, "") }, script.common.clone()))
    }
}

fn meanings(
    script: &PackageScript,
    file: &PackageFile,
    pending: &Pending,
    number: usize,
    work: &mut Work,
) -> Result<BTreeMap<String, String>, SourceFault> {
    let shown = work.installed.shown(file);
    let mut meanings = BTreeMap::new();
    // Where one name is both imported and required, the kind of the module decides which counts.
    let is_stronger = |import: &&Import| (import.kind == ImportKind::Require) == script.common.is_some();
    let (last, first): (Vec<_>, Vec<_>) = script.imports.iter().partition(is_stronger);
    for import in first.into_iter().chain(last).filter(|import| !import.type_only) {
        if import.specifier.starts_with("isobase:") {
            continue;
        }
        let may_fail = pending.may_fail || import.kind == ImportKind::Dynamic || import.guarded;
        let position = || script.position(import, &shown);
        let meant = match work.installed.resolve(&import.specifier, file, asked(import.kind)) {
            Ok(Meant::Builtin(name)) => Some(name),
            Ok(Meant::File(target)) => {
                let importer = Some((number, position()));
                match add(target, import.kind, may_fail, importer, work) {
                    Ok(meant) => meant,
                    Err(_) if may_fail => None,
                    Err(fault) => return Err(fault.at(position())),
                }
            }
            // What is required and missing throws when it is required, as in Node.
            Err(_) if may_fail || import.kind == ImportKind::Require => None,
            Err(error) => return Err(SourceFault::new(error.to_string()).at(position())),
        };
        if let Some(meant) = meant {
            meanings.insert(import.specifier.clone(), meant);
        }
    }
    Ok(meanings)
}

/// Adds a file of a package to what is to be loaded; returns its specifier, `None` for types.
///
/// # Errors
/// For an addon: machine code of its own, which no isolate runs.
pub(super) fn add(
    file: PackageFile,
    kind: ImportKind,
    may_fail: bool,
    importer: Option<(usize, Position)>,
    work: &mut Work,
) -> Result<Option<String>, SourceFault> {
    let shown = work.installed.shown(&file);
    let name = shown.rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let (format, suffix) = match extension {
        ADDON => {
            let message =
                format!("{} is machine code, which functions cannot run", work.installed.package(&file));
            return Err(SourceFault::new(message).hint("look for a package in JavaScript or WebAssembly"));
        }
        "json" if kind == ImportKind::Require => (Format::RequiredJson, ""),
        "json" => (Format::Json, "?json"),
        "wasm" => (Format::Wasm, ""),
        _ if name.ends_with(".d.ts") || name.ends_with(".d.mts") || name.ends_with(".d.cts") => {
            work.found.uses_empty = true;
            return Ok(Some(super::EMPTY_MODULE.into()));
        }
        _ => (Format::Script, ""),
    };
    let specifier = work.installed.specifier(&file) + suffix;
    work.found.add(shown, Pending { place: Place::Package(file), format, importer, may_fail });
    Ok(Some(specifier))
}

/// What is no script.
fn value(
    specifier: String,
    shown: String,
    content: Vec<u8>,
    file: &PackageFile,
    pending: &Pending,
    number: usize,
    work: &mut Work,
) -> Result<Loaded, SourceFault> {
    if pending.format == Format::Wasm {
        let imports =
            wasm_imports(&content, &shown).map_err(|problem| pending.blame(format!("{shown}: {problem}")))?;
        let mut meanings = BTreeMap::new();
        for import in imports {
            let found = work.installed.resolve(&import.specifier, file, asked(import.kind));
            let target = found.map_err(|error| pending.blame(format!("{shown}: {error}")))?;
            let meant = match target {
                Meant::Builtin(name) => Some(name),
                Meant::File(target) => {
                    let importer = Some((number, import.position.clone()));
                    add(target, import.kind, pending.may_fail, importer, work)?
                }
            };
            meanings.extend(meant.map(|meant| (import.specifier, meant)));
        }
        let code = Code::Wasm(content.into());
        return Ok((Module { code, imports: meanings, ..Module::script(specifier, "") }, None));
    }
    let text = String::from_utf8_lossy(&content);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        return Err(pending.blame(format!("{shown} is no JSON: {error}")));
    }
    let module = match pending.format {
        Format::RequiredJson => Module { code: Code::Json(text.into()), ..Module::script(specifier, "") },
        _ => value_module(specifier + "?json", &format!("JSON.parse({})", js_string(text))),
    };
    Ok((module, None))
}
