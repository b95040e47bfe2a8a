//! The function's own modules: files of the project, and modules behind URLs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use deno_ast::MediaType;
use isobase_base::limits::{SOURCE_FILE_BYTES_MAX, SOURCE_GRAPH_BYTES_MAX, SOURCE_MODULES_MAX};
use isobase_engine::{Code, Module};
use isobase_packages::{PackagesError, reference};
use url::Url;
use wasm_dep_analyzer::{ParseOptions, WasmDeps};

use super::found::{Format, Pending, Place};
use super::{EMPTY_MODULE, Loaded, Loader, Wanted, Work, js_string, value_module};
use crate::fault::{Position, SourceFault};
use crate::imports::ImportKind;
use crate::resolve::{Referrer, Resolved, resolve};
use crate::supply::Outside;
use crate::transpile::{ScriptImport, Source};

/// Which of the scopes of npm has the packages of JSR.
const JSR_SCOPE: &str = "@jsr";

/// A module's text, and what it is called.
struct Text<'a> {
    specifier: String,
    shown: String,
    referrer: Referrer<'a>,
    media_type: MediaType,
    content: Bytes,
}

impl Loader<'_> {
    pub(super) fn local(
        &mut self,
        path: &Path,
        pending: &Pending,
        number: usize,
        work: &mut Work,
    ) -> Result<Loaded, SourceFault> {
        let Some(specifier) = self.folders.specifier(path) else {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let message = format!("{name} is outside of the project");
            return Err(pending
                .blame(message)
                .hint("move it into the project, for example to functions/_shared"));
        };
        let shown = self.folders.shown(path);
        if !self.probes.is_file(path) {
            let fault = pending.blame(format!("there is no file {shown}"));
            return Err(match self.near_miss(path) {
                Some(hint) => fault.hint(hint),
                None => fault,
            });
        }
        let content = self
            .probes
            .read(path, SOURCE_FILE_BYTES_MAX)
            .map_err(|error| pending.blame(format!("cannot read {shown}: {error}")))?;
        let media_type = self.media_type(path);
        let referrer = Referrer::File(path);
        let text = Text { specifier, shown, referrer, media_type, content: content.into() };
        self.module(text, pending, number, work)
    }

    pub(super) fn remote(
        &mut self,
        url: &Url,
        pending: &Pending,
        number: usize,
        work: &mut Work,
    ) -> Result<Loaded, SourceFault> {
        let Outside::Host { session, .. } = &mut self.outside else {
            return Err(pending.blame(format!("{url} cannot be fetched here")));
        };
        // It was fetched when it was found, so it is at hand.
        let remote = session.remote(url).map_err(|error| pending.blame(error.to_string()))?;
        let media_type = MediaType::from_specifier_and_content_type(url, remote.content_type.as_deref());
        let (specifier, shown) = (url.to_string(), url.to_string());
        let referrer = Referrer::Remote(url);
        self.module(
            Text { specifier, shown, referrer, media_type, content: remote.content },
            pending,
            number,
            work,
        )
    }

    fn module(
        &mut self,
        text: Text<'_>,
        pending: &Pending,
        number: usize,
        work: &mut Work,
    ) -> Result<Loaded, SourceFault> {
        if number >= SOURCE_MODULES_MAX {
            return Err(pending.blame(format!("the function has more than {SOURCE_MODULES_MAX} modules")));
        }
        work.found.bytes += text.content.len() as u64;
        if work.found.bytes > SOURCE_GRAPH_BYTES_MAX {
            let message = format!("the function's modules are larger than {SOURCE_GRAPH_BYTES_MAX} bytes");
            return Err(pending.blame(message));
        }
        let plain = || {
            let content = std::str::from_utf8(&text.content);
            let content = content.map_err(|_| pending.blame(format!("{} is not UTF-8", text.shown)))?;
            Ok(content.strip_prefix('\u{feff}').unwrap_or(content))
        };
        match pending.format {
            Format::Script => self.script(&text, plain()?, number, work),
            Format::Wasm => self.wasm(text, pending, number, work),
            Format::Text => Ok((value_module(text.specifier + "?text", &js_string(plain()?)), None)),
            Format::Json | Format::RequiredJson => {
                let json = plain()?;
                if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(json) {
                    return Err(json_fault(text.shown, json, &error));
                }
                let module = if pending.format == Format::Json {
                    value_module(text.specifier, &format!("JSON.parse({})", js_string(json)))
                } else {
                    let code = Code::Json(json.into());
                    Module { code, ..Module::script(text.specifier + "?required", "") }
                };
                Ok((module, None))
            }
        }
    }

    fn script(
        &mut self,
        text: &Text<'_>,
        plain: &str,
        number: usize,
        work: &mut Work,
    ) -> Result<Loaded, SourceFault> {
        let path = match text.referrer {
            Referrer::File(path) => path,
            Referrer::Remote(_) => Path::new(&text.specifier),
        };
        let (media_type, shown) = (text.media_type, text.shown.as_str());
        let source = Source { path, media_type, specifier: &text.specifier, shown, text: plain.into() };
        let script = self.scripts.compile(source, &self.map.compiler)?;
        let imports = self.meanings(&script.imports, text.referrer, number, work)?;
        let code = match &script.common {
            None => Code::Script(Arc::clone(&script.code)),
            Some(common) => Code::CommonJs { text: Arc::clone(&script.code), exports: common.names.clone() },
        };
        let (specifier, source_map) = (text.specifier.clone(), script.source_map.clone());
        Ok((Module { specifier, code, source_map, imports }, script.common.clone()))
    }

    /// What a core module imports, it imports as a script would.
    fn wasm(
        &mut self,
        text: Text<'_>,
        pending: &Pending,
        number: usize,
        work: &mut Work,
    ) -> Result<Loaded, SourceFault> {
        let imports = wasm_imports(&text.content, &text.shown)
            .map_err(|problem| pending.blame(format!("{}: {problem}", text.shown)))?;
        let imports = self.meanings(&imports, text.referrer, number, work)?;
        let code = Code::Wasm(text.content);
        Ok((Module { code, imports, ..Module::script(text.specifier, "") }, None))
    }

    fn meanings(
        &mut self,
        imports: &[ScriptImport],
        referrer: Referrer<'_>,
        number: usize,
        work: &mut Work,
    ) -> Result<BTreeMap<String, String>, SourceFault> {
        let mut meanings = BTreeMap::new();
        for import in imports {
            let may_fail = import.kind == ImportKind::Dynamic || import.guarded;
            let meant = match self.meaning(import, referrer, number, work) {
                Ok(meant) => meant,
                // It may sit behind a condition or a fallback: the guest sees its own rejection.
                Err(_) if may_fail => None,
                Err(fault) => return Err(fault),
            };
            if let Some(meant) = meant {
                meanings.insert(import.specifier.clone(), meant);
            }
        }
        Ok(meanings)
    }

    /// The specifier of the module that `import` means; `None` where the engine knows it as it is, or
    /// where it is found later.
    fn meaning(
        &mut self,
        import: &ScriptImport,
        referrer: Referrer<'_>,
        number: usize,
        work: &mut Work,
    ) -> Result<Option<String>, SourceFault> {
        let fault = |message: String| SourceFault::new(message).at(import.position.clone());
        match resolve(&import.specifier, referrer, self.map) {
            Resolved::Host(url) => Ok((url != import.specifier).then_some(url)),
            // Always named: what imports Node's modules is known by it.
            Resolved::Node(name) => Ok(Some(name)),
            Resolved::Types => {
                work.found.uses_empty = true;
                Ok(Some(EMPTY_MODULE.into()))
            }
            Resolved::Unsupported(message, hint) => Err(fault(message).hint(hint)),
            Resolved::Npm(url) => self.want(&url, import, number, work).map(|()| None),
            Resolved::Jsr(url) => {
                let url = self.jsr_on_npm(&url, import)?;
                self.want(&url, import, number, work).map(|()| None)
            }
            Resolved::Remote(url) => self.remote_meaning(url, import, number, work),
            Resolved::File(path) => {
                let path = if import.kind == ImportKind::Require { self.required(path) } else { path };
                let (format, suffix) = format_of(&path.to_string_lossy(), import)?;
                let is_soft = import.kind == ImportKind::Dynamic || import.guarded;
                if is_soft && !self.probes.is_file(&path) {
                    return Err(fault("no such file".into()));
                }
                let specifier = self.folders.specifier(&path);
                let shown = self.folders.shown(&path);
                self.add(shown, Place::File(path), format, import, number, work);
                // Outside of the project: refused when it is loaded, which is next.
                Ok(specifier.map(|specifier| specifier + suffix))
            }
        }
    }

    fn add(
        &mut self,
        shown: String,
        place: Place,
        format: Format,
        import: &ScriptImport,
        number: usize,
        work: &mut Work,
    ) {
        let importer = Some((number, import.position.clone()));
        work.found.add(shown, Pending { place, format, importer, may_fail: false });
    }

    /// Notes that a package is asked for.
    fn want(
        &mut self,
        url: &str,
        import: &ScriptImport,
        number: usize,
        work: &mut Work,
    ) -> Result<(), SourceFault> {
        let fault = |message: String| SourceFault::new(message).at(import.position.clone());
        let reference = reference(url).map_err(fault)?;
        if let Outside::Nowhere = self.outside {
            return Err(fault(format!("{url:?}: this host was started without packages")));
        }
        work.wanted.push(Wanted {
            module: number,
            written: import.specifier.clone(),
            reference,
            kind: import.kind,
            guarded: import.guarded,
            position: import.position.clone(),
        });
        Ok(())
    }

    /// `npm:…` for `jsr:@scope/name…`: what Supabase publishes is on npm under the same name; the rest is
    /// on the registry that JSR has for npm's clients.
    fn jsr_on_npm(&self, url: &str, import: &ScriptImport) -> Result<String, SourceFault> {
        let rest = url.trim_start_matches("jsr:").trim_start_matches('/');
        let session = match &self.outside {
            Outside::Host { session, .. } if !rest.starts_with("@supabase/") => session,
            _ => return Ok(format!("npm:{rest}")),
        };
        let named = rest.strip_prefix('@').and_then(|rest| rest.split_once('/'));
        match named {
            Some((scope, name)) if session.has_jsr() => Ok(format!("npm:{JSR_SCOPE}/{scope}__{name}")),
            _ => Err(SourceFault::new(format!("no registry is set up for packages of JSR: {url:?}"))
                .at(import.position.clone())
                .hint("add @jsr:registry=<URL> to .npmrc, or import the package from npm")),
        }
    }

    fn remote_meaning(
        &mut self,
        url: Url,
        import: &ScriptImport,
        number: usize,
        work: &mut Work,
    ) -> Result<Option<String>, SourceFault> {
        let fault = |error: PackagesError| SourceFault::of_packages(&error).at(import.position.clone());
        let mut url = url;
        url.set_fragment(None);
        match &mut self.outside {
            Outside::Server => return Ok(None),
            Outside::Nowhere => {
                let message = format!("{url} cannot be fetched: this host was started without packages");
                return Err(SourceFault::new(message).at(import.position.clone()));
            }
            Outside::Host { session, .. } => url = session.remote(&url).map_err(fault)?.url,
        }
        let (format, suffix) = format_of(url.path(), import)?;
        let specifier = url.to_string() + suffix;
        self.add(url.to_string(), Place::Remote(url), format, import, number, work);
        Ok(Some(specifier))
    }

    /// Node's rules for `require("./part")`: a name may lack its ending, or be that of a folder.
    fn required(&mut self, path: PathBuf) -> PathBuf {
        let candidates = ["", ".js", ".json", ".cjs", "/index.js", "/index.cjs"].map(|ending| {
            let mut name = path.clone().into_os_string();
            name.push(ending);
            PathBuf::from(name)
        });
        candidates.into_iter().find(|candidate| self.probes.is_file(candidate)).unwrap_or(path)
    }

    /// By its name; `.js` is CommonJS where the nearest `package.json` says so.
    fn media_type(&mut self, path: &Path) -> MediaType {
        let media_type = MediaType::from_path(path);
        if media_type != MediaType::JavaScript {
            return media_type;
        }
        let above = path.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.folders.project));
        for folder in above {
            let file = folder.join("package.json");
            if self.probes.is_file(&file) {
                let text = self.probes.read(&file, SOURCE_FILE_BYTES_MAX).unwrap_or_default();
                let value: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
                let is_common = value.get("type").is_some_and(|kind| kind == "commonjs");
                return if is_common { MediaType::Cjs } else { media_type };
            }
        }
        media_type
    }

    /// What the author may have meant by a path that is no file. Deno demands the full name too.
    fn near_miss(&mut self, path: &Path) -> Option<String> {
        let name = path.file_name()?.to_string_lossy().into_owned();
        let stem = path.file_stem()?.to_string_lossy().into_owned();
        let mut candidates = vec![path.join("index.ts")];
        for end in ["ts", "tsx", "js", "mjs", "jsx", "json"] {
            candidates.push(path.with_file_name(format!("{name}.{end}")));
            candidates.push(path.with_file_name(format!("{stem}.{end}")));
        }
        let found = candidates.into_iter().find(|candidate| self.probes.is_file(candidate))?;
        Some(format!("did you mean {}? Imports name the whole file", self.folders.shown(&found)))
    }
}

/// How a file is to be read, and what that adds to its specifier.
fn format_of(path: &str, import: &ScriptImport) -> Result<(Format, &'static str), SourceFault> {
    let fault = |message: String| SourceFault::new(message).at(import.position.clone());
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    match (import.media.as_deref(), extension) {
        (Some("json"), _) => Ok((Format::Json, "")),
        (Some("text"), _) => Ok((Format::Text, "?text")),
        (Some(other), _) => Err(fault(format!("imports with {{ type: {other:?} }} are not supported yet"))),
        (None, "json") if import.kind == ImportKind::Require => Ok((Format::RequiredJson, "?required")),
        (None, "json") => {
            let hint = format!("write import … from {:?} with {{ type: \"json\" }}", import.specifier);
            Err(fault("a JSON module must be imported as such".into()).hint(hint))
        }
        (None, "wasm") => Ok((Format::Wasm, "")),
        (None, _) => Ok((Format::Script, "")),
    }
}

/// The modules that a core module of WebAssembly imports.
pub(super) fn wasm_imports(bytes: &[u8], shown: &str) -> Result<Vec<ScriptImport>, String> {
    let parsed = WasmDeps::parse(bytes, ParseOptions { skip_types: true });
    let parsed = parsed.map_err(|error| format!("not a WebAssembly module: {error}"))?;
    let mut modules: Vec<&str> = parsed.imports.iter().map(|import| import.module).collect();
    modules.sort_unstable();
    modules.dedup();
    let import = |module: &str| ScriptImport {
        specifier: module.to_owned(),
        kind: ImportKind::Static,
        media: None,
        position: Position::of(shown.to_owned(), "", 0..0),
        guarded: false,
    };
    Ok(modules.into_iter().map(import).collect())
}

fn json_fault(shown: String, text: &str, error: &serde_json::Error) -> SourceFault {
    let line_start: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let at = line_start + error.column().saturating_sub(1);
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default().to_owned();
    SourceFault::new(message).at(Position::of(shown, text, at..at + 1))
}
