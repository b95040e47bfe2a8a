//! A function as an engine sees it: an immutable artifact and what it may do.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use isobase_base::{Capabilities, Isolation, Target};

use crate::Limits;

/// One version of one function. Never changes: an edit or a deploy makes another version, a new secret
/// another function of the same version.
#[derive(Clone)]
pub struct Function {
    pub target: Target,
    pub version: FunctionVersion,
    pub artifact: Artifact,
    pub limits: Limits,
    pub capabilities: Capabilities,
    pub isolation: Isolation,
    /// What `Deno.env` and `wasi:cli/environment` show.
    pub environment: BTreeMap<String, String>,
}

impl Function {
    /// The variables of one worker: the function's own, and the names that Supabase gives a deployment
    /// and each of its isolates.
    pub fn worker_environment(&self) -> BTreeMap<String, String> {
        let deployment = format!("local_{}_{}", self.target.slug(), self.version);
        let mut environment = self.environment.clone();
        environment.entry("DENO_DEPLOYMENT_ID".to_owned()).or_insert(deployment);
        environment.insert("SB_EXECUTION_ID".to_owned(), uuid::Uuid::new_v4().to_string());
        environment
    }
}

/// Counts up with every change of a function. Zero for built-ins, which change with the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionVersion(pub u64);

impl fmt::Display for FunctionVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Code, ready to load.
#[derive(Clone)]
pub enum Artifact {
    /// A WebAssembly component exporting `wasi:http/incoming-handler`.
    Component { bytes: Bytes, reuse: Reuse },
    /// JavaScript, every import resolved.
    Program(Arc<Program>),
}

/// A function in JavaScript with everything it loads, packages of npm included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The main one first.
    pub modules: Vec<Module>,
    /// What the function finds on its disk, by absolute path: its static files, and what packages read
    /// from beside their code. Read-only.
    pub files: BTreeMap<String, Bytes>,
    /// Whether anything in it may use Node's modules or globals; an isolate that has them ready is the
    /// better one then.
    pub needs_node: bool,
}

/// How often one instance of a component may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// A fresh instance per request: nothing leaks from one request to the next.
    Fresh,
    /// One request after another. For built-ins, which are trusted and keep caches.
    Sequential,
}

/// One module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// An absolute URL, `file:///<slug>/index.ts`; what stack traces show. Of a package:
    /// `file:///node_modules/<name>/…`, where the function's disk has its files too.
    pub specifier: String,
    pub code: Code,
    /// Source map version 3, JSON.
    pub source_map: Option<Arc<[u8]>>,
    /// For each specifier as written in `code`, by `import` or `require`, what it means: the `specifier` of
    /// another module, `node:…` or `isobase:host/…`.
    pub imports: BTreeMap<String, String>,
}

/// What a module is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// An ES module in JavaScript.
    Script(Arc<str>),
    /// A CommonJS module in JavaScript.
    CommonJs {
        text: Arc<str>,
        /// What `import { … }` finds in it besides `default`, as far as reading it tells.
        exports: Vec<String>,
    },
    /// For `require()` of a JSON file. One that is imported is a script.
    Json(Arc<str>),
    /// A core module for `import … from "./x.wasm"`.
    Wasm(Bytes),
}

impl Module {
    /// An ES module without a source map.
    pub fn script(specifier: impl Into<String>, code: impl Into<Arc<str>>) -> Self {
        let code = Code::Script(code.into());
        Self { specifier: specifier.into(), code, source_map: None, imports: BTreeMap::new() }
    }
}

impl Code {
    /// What is text in it.
    pub fn text(&self) -> Option<&Arc<str>> {
        match self {
            Self::Script(text) | Self::CommonJs { text, .. } | Self::Json(text) => Some(text),
            Self::Wasm(_) => None,
        }
    }
}

/// Shows the names of variables, not their values.
impl fmt::Debug for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Function")
            .field("target", &self.target)
            .field("version", &self.version)
            .field("artifact", &self.artifact)
            .field("limits", &self.limits)
            .field("capabilities", &self.capabilities)
            .field("isolation", &self.isolation)
            .field("environment", &self.environment.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl fmt::Debug for Artifact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component { bytes, reuse } => {
                write!(formatter, "Component({} bytes, {reuse:?})", bytes.len())
            }
            Self::Program(program) => write!(formatter, "Program({} modules)", program.modules.len()),
        }
    }
}
