//! Modules of the function, all at hand before it starts: nothing is fetched or read from disk.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use deno_core::{
    ModuleLoadOptions, ModuleLoadReferrer, ModuleLoadResponse, ModuleLoader, ModuleResolveResponse,
    ModuleSource, ModuleSourceCode, ModuleSpecifier, ModuleType, RequestedModuleType, ResolutionKind,
};
use deno_error::JsErrorBox;
use isobase_engine::{Code, Module, Program};

/// The scheme of the host's own modules, `isobase:host/database` and its like.
const HOST_SCHEME: &str = "isobase:";

/// Serves the modules of one function; empty until the isolate is given one.
#[derive(Default)]
pub(crate) struct FunctionLoader {
    modules: RefCell<HashMap<String, Module>>,
}

impl FunctionLoader {
    pub(crate) fn fill(&self, program: &Program) {
        let by_specifier = program.modules.iter().map(|module| (module.specifier.clone(), module.clone()));
        *self.modules.borrow_mut() = by_specifier.collect();
    }

    fn find(&self, specifier: &str, referrer: &str) -> Option<String> {
        let modules = self.modules.borrow();
        if let Some(resolved) = modules.get(referrer).and_then(|module| module.imports.get(specifier)) {
            return Some(resolved.clone());
        }
        let absolute = deno_core::resolve_import(specifier, referrer).ok()?;
        modules.contains_key(absolute.as_str()).then(|| absolute.to_string())
    }
}

impl ModuleLoader for FunctionLoader {
    fn resolve(&self, specifier: &str, referrer: &str, _kind: ResolutionKind) -> ModuleResolveResponse {
        let resolved = if specifier.starts_with(HOST_SCHEME) {
            specifier.to_owned()
        } else {
            let missing = || {
                JsErrorBox::type_error(format!("cannot find module \"{specifier}\" imported from {referrer}"))
            };
            self.find(specifier, referrer).ok_or_else(missing)?
        };
        ModuleSpecifier::parse(&resolved).map_err(JsErrorBox::from_err)
    }

    fn load(
        &self,
        specifier: &ModuleSpecifier,
        _referrer: Option<&ModuleLoadReferrer>,
        options: ModuleLoadOptions,
    ) -> ModuleLoadResponse {
        let Some(module) = self.modules.borrow().get(specifier.as_str()).cloned() else {
            let text = format!("there is no module \"{specifier}\"");
            return ModuleLoadResponse::Sync(Err(JsErrorBox::type_error(text)));
        };
        let kind = match options.requested_module_type {
            RequestedModuleType::Json => ModuleType::Json,
            _ => ModuleType::JavaScript,
        };
        let Code::Script(code) = module.code else {
            let text = format!("\"{specifier}\" is no ES module");
            return ModuleLoadResponse::Sync(Err(JsErrorBox::type_error(text)));
        };
        let code = ModuleSourceCode::String(code.into());
        ModuleLoadResponse::Sync(Ok(ModuleSource::new(kind, code, specifier, None)))
    }

    fn get_source_map(&self, file_name: &str) -> Option<Cow<'_, [u8]>> {
        let modules = self.modules.borrow();
        let map = modules.get(file_name)?.source_map.as_ref()?;
        Some(Cow::Owned(map.to_vec()))
    }

    fn source_map_source_exists(&self, source_url: &str) -> Option<bool> {
        // A bundle's map names the files it was made of; they exist wherever it was made.
        Some(source_url.starts_with("file:///"))
    }

    fn get_source_mapped_source_line(&self, file_name: &str, line_number: usize) -> Option<String> {
        let modules = self.modules.borrow();
        let mapped = modules.values().find_map(|module| {
            let map: SourceMapText<'_> = serde_json::from_slice(module.source_map.as_deref()?).ok()?;
            let index =
                map.sources.iter().position(|source| is_same_file(source, &module.specifier, file_name))?;
            map.contents.get(index)?.as_deref()?.lines().nth(line_number).map(str::to_owned)
        });
        mapped.or_else(|| modules.get(file_name)?.code.text()?.lines().nth(line_number).map(str::to_owned))
    }
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
