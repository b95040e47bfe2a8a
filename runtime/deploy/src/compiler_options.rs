//! `compilerOptions` of `deno.json`, as far as they concern what a source becomes.

use deno_ast::{
    DecoratorsTranspileOption, JsxAutomaticOptions, JsxClassicOptions, JsxPrecompileOptions, JsxRuntime,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(Clone, Debug, Default, Hash, Serialize, Deserialize)]
pub(crate) struct CompilerOptions {
    pub(crate) jsx: Jsx,
    pub(crate) decorators: Decorators,
}

/// What JSX becomes; names that are absent are React's.
#[derive(Clone, Debug, Hash, Serialize, Deserialize)]
pub(crate) enum Jsx {
    Classic { factory: Option<String>, fragment_factory: Option<String> },
    Automatic { import_source: Option<String> },
    Precompile { import_source: Option<String> },
}

#[derive(Clone, Copy, Debug, Default, Hash, Serialize, Deserialize)]
pub(crate) enum Decorators {
    /// TC39's, Deno's default.
    #[default]
    Standard,
    /// TypeScript's `experimentalDecorators`.
    TypeScript { metadata: bool },
}

impl CompilerOptions {
    pub(crate) fn read(options: &Map<String, Value>) -> Self {
        let text = |key: &str| options.get(key).and_then(Value::as_str).map(str::to_owned);
        let flag = |key: &str| options.get(key).and_then(Value::as_bool).unwrap_or(false);
        let import_source = text("jsxImportSource");
        let jsx = match text("jsx").as_deref() {
            Some("react-jsx" | "react-jsxdev") => Jsx::Automatic { import_source },
            Some("precompile") => Jsx::Precompile { import_source },
            _ => Jsx::Classic { factory: text("jsxFactory"), fragment_factory: text("jsxFragmentFactory") },
        };
        let decorators = if flag("experimentalDecorators") {
            Decorators::TypeScript { metadata: flag("emitDecoratorMetadata") }
        } else {
            Decorators::Standard
        };
        Self { jsx, decorators }
    }
}

impl Default for Jsx {
    fn default() -> Self {
        Self::Classic { factory: None, fragment_factory: None }
    }
}

impl From<&Jsx> for JsxRuntime {
    fn from(jsx: &Jsx) -> Self {
        let automatic = |import_source: &Option<String>| JsxAutomaticOptions {
            development: false,
            import_source: import_source.clone(),
        };
        match jsx {
            Jsx::Classic { factory, fragment_factory } => {
                let default = JsxClassicOptions::default();
                Self::Classic(JsxClassicOptions {
                    factory: factory.clone().unwrap_or(default.factory),
                    fragment_factory: fragment_factory.clone().unwrap_or(default.fragment_factory),
                })
            }
            Jsx::Automatic { import_source } => Self::Automatic(automatic(import_source)),
            Jsx::Precompile { import_source } => Self::Precompile(JsxPrecompileOptions {
                automatic: automatic(import_source),
                skip_elements: None,
                dynamic_props: None,
            }),
        }
    }
}

impl From<Decorators> for DecoratorsTranspileOption {
    fn from(decorators: Decorators) -> Self {
        match decorators {
            Decorators::Standard => Self::Ecma,
            Decorators::TypeScript { metadata } => Self::LegacyTypeScript { emit_metadata: metadata },
        }
    }
}
