//! Modules of the function, all at hand before it starts: nothing is fetched or read from disk.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt::Write as _;
use std::pin::Pin;

use deno_core::{
    ModuleCodeString, ModuleLoadOptions, ModuleLoadReferrer, ModuleLoadResponse, ModuleLoader,
    ModuleResolveResponse, ModuleSource, ModuleSourceCode, ModuleSpecifier, ModuleType, RequestedModuleType,
    ResolutionKind, SourceCodeCacheInfo,
};
use deno_error::JsErrorBox;
use isobase_engine::Code;

use crate::compiled::{CompiledModules, CompiledScripts};
use crate::fresh::SharedFresh;
use crate::inspect::{SourceFolders, with_source_map};
use crate::node::{FACADE, SharedModules};

/// Modules that are part of the runtime.
const INTERNAL_SCHEME: &str = "ext:";

/// Serves the modules of one function; none until the isolate is given one.
pub(crate) struct FunctionLoader {
    pub(crate) modules: SharedModules,
    pub(crate) fresh: SharedFresh,
    compiled: &'static CompiledScripts,
    /// Set where a debugger may look.
    shown: OnceCell<SourceFolders>,
}

impl FunctionLoader {
    pub(crate) fn new() -> Self {
        Self {
            modules: SharedModules::default(),
            fresh: SharedFresh::default(),
            compiled: CompiledScripts::of_process(),
            shown: OnceCell::new(),
        }
    }

    /// From now on scripts come with their source maps, for debuggers.
    pub(crate) fn show_sources(&self, folders: SourceFolders) {
        // An isolate is given one function, and so this once.
        let _ = self.shown.set(folders);
    }

    /// The text for debuggers, if there are any and there is more to show.
    fn shown(&self, specifier: &str, text: &str) -> Option<String> {
        let folders = self.shown.get()?;
        let map = self.modules.with(specifier, |module| module.source_map.clone())??;
        Some(with_source_map(text, &map, folders))
    }

    fn source(&self, specifier: &ModuleSpecifier, wants_json: bool) -> Option<ModuleSource> {
        let javascript = |text: String| (ModuleType::JavaScript, ModuleSourceCode::String(text.into()));
        let (kind, code) = match self.modules.with(specifier.as_str(), |module| module.code.clone())? {
            Code::Script(text) | Code::Json(text) if wants_json => {
                (ModuleType::Json, ModuleSourceCode::String(text.into()))
            }
            Code::Script(_) => return self.script(specifier),
            Code::CommonJs { exports, .. } => javascript(commonjs_facade(specifier.as_str(), &exports)),
            Code::Json(text) => javascript(format!("export default {text};")),
            Code::Wasm(bytes) => {
                (ModuleType::Wasm, ModuleSourceCode::Bytes(bytes.to_vec().into_boxed_slice().into()))
            }
        };
        Some(ModuleSource::new(kind, code, specifier, None))
    }

    /// An ES module of the function, with what V8 has kept of it.
    fn script(&self, specifier: &ModuleSpecifier) -> Option<ModuleSource> {
        let text = self.modules.text(specifier.as_str())?;
        if let Some(shown) = self.shown(specifier.as_str(), &text.shared) {
            let source = ModuleSourceCode::String(shown.into());
            return Some(ModuleSource::new(ModuleType::JavaScript, source, specifier, None));
        }
        let code = CompiledModules::of_process().look_up(&text.shared);
        let data = code.map(|code| Cow::Owned(code.to_vec()));
        let source = match text.lasting {
            Some(lasting) => ModuleCodeString::from_static(lasting),
            None => text.shared.into(),
        };
        let source = ModuleSourceCode::String(source);
        let compiled = SourceCodeCacheInfo { hash: 0, data };
        Some(ModuleSource::new(ModuleType::JavaScript, source, specifier, Some(compiled)))
    }
}

impl ModuleLoader for FunctionLoader {
    fn resolve(&self, specifier: &str, referrer: &str, _kind: ResolutionKind) -> ModuleResolveResponse {
        // Of the platform's own modules among each other; a function's are not let through to them.
        let resolved = if specifier.starts_with(INTERNAL_SCHEME) {
            specifier.to_owned()
        } else {
            let missing = || {
                JsErrorBox::type_error(format!("cannot find module \"{specifier}\" imported from {referrer}"))
            };
            self.modules.import(specifier, referrer).ok_or_else(missing)?
        };
        ModuleSpecifier::parse(&resolved).map_err(JsErrorBox::from_err)
    }

    /// `import.meta.resolve`: what the function imports is where it lies; an address need not be a module.
    fn import_meta_resolve(&self, specifier: &str, referrer: &str) -> Result<ModuleSpecifier, JsErrorBox> {
        match self.modules.import(specifier, referrer) {
            Some(resolved) => ModuleSpecifier::parse(&resolved).map_err(JsErrorBox::from_err),
            None => deno_core::resolve_import(specifier, referrer).map_err(JsErrorBox::from_err),
        }
    }

    fn load(
        &self,
        specifier: &ModuleSpecifier,
        _referrer: Option<&ModuleLoadReferrer>,
        options: ModuleLoadOptions,
    ) -> ModuleLoadResponse {
        let wants_json = matches!(options.requested_module_type, RequestedModuleType::Json);
        let missing = || JsErrorBox::type_error(format!("there is no module \"{specifier}\""));
        ModuleLoadResponse::Sync(self.source(specifier, wants_json).ok_or_else(missing))
    }

    /// Of the platform's scripts; functions' modules come with theirs.
    fn get_code_cache(&self, specifier: &ModuleSpecifier, source: &str) -> Option<SourceCodeCacheInfo> {
        self.compiled.look_up(specifier.as_str(), source)
    }

    fn code_cache_ready(
        &self,
        specifier: ModuleSpecifier,
        hash: u64,
        code: &[u8],
    ) -> Pin<Box<dyn Future<Output = ()>>> {
        match self.modules.text(specifier.as_str()) {
            Some(text) => {
                CompiledModules::of_process().keep(&text.shared, code);
                self.fresh.note_module(specifier.as_str(), &text.shared);
            }
            None => {
                self.compiled.keep(specifier.as_str(), hash, code);
                self.fresh.note_platform(specifier.as_str(), hash);
            }
        }
        Box::pin(std::future::ready(()))
    }

    fn get_source_map(&self, file_name: &str) -> Option<Cow<'_, [u8]>> {
        let map = self.modules.with(file_name, |module| module.source_map.clone())??;
        Some(Cow::Owned(map.to_vec()))
    }

    fn source_map_source_exists(&self, source_url: &str) -> Option<bool> {
        // A bundle's map names the files it was made of; they exist wherever it was made.
        Some(source_url.starts_with("file:///"))
    }

    fn get_source_mapped_source_line(&self, file_name: &str, line_number: usize) -> Option<String> {
        let mapped = self.modules.find_map(|module| {
            let map: SourceMapText<'_> = serde_json::from_slice(module.source_map.as_deref()?).ok()?;
            let index =
                map.sources.iter().position(|source| is_same_file(source, &module.specifier, file_name))?;
            map.contents.get(index)?.as_deref()?.lines().nth(line_number).map(str::to_owned)
        });
        let line = |text: &str| text.lines().nth(line_number).map(str::to_owned);
        mapped.or_else(|| self.modules.with(file_name, |module| line(module.code.text()?))?)
    }
}

/// The ES module that stands for the CommonJS module `specifier`: its exports by name, as far as reading it
/// told them, and `module.exports` as the default, as in Node.
fn commonjs_facade(specifier: &str, exports: &[String]) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut code = format!(
        "import {{ loadSpecifier, pick }} from \"{FACADE}\";\nconst $ = loadSpecifier({});\n\
         export {{ $ as default, $ as \"module.exports\" }};\n",
        quoted(specifier)
    );
    let named = exports.iter().filter(|name| !matches!(name.as_str(), "default" | "module.exports"));
    for (at, name) in named.enumerate() {
        let name = quoted(name);
        // Writing to a string cannot fail.
        let _ = writeln!(code, "const ${at} = pick($, {name});\nexport {{ ${at} as {name} }};");
    }
    code
}

/// The part of a source map (version 3) that holds the original text.
#[derive(serde::Deserialize)]
struct SourceMapText<'a> {
    #[serde(borrow, default)]
    sources: Vec<Cow<'a, str>>,
    #[serde(borrow, default, rename = "sourcesContent")]
    contents: Vec<Option<Cow<'a, str>>>,
}

/// Sources in a map are absolute, or relative to the module.
fn is_same_file(source: &str, module: &str, file_name: &str) -> bool {
    source == file_name
        || deno_core::resolve_import(&format!("./{source}"), module)
            .is_ok_and(|url| url.as_str() == file_name)
        || deno_core::resolve_import(source, module).is_ok_and(|url| url.as_str() == file_name)
}
