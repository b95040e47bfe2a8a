//! A function on its way to its process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use isobase_base::{Capabilities, Egress, FunctionSlug, Grant, Isolation, Target};
use isobase_engine::{Artifact, Code, Function, FunctionVersion, Limits, Module, Program};
use serde::{Deserialize, Serialize};

/// What a process is told of a function: all but the host APIs, which it has none of.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SentFunction {
    slug: FunctionSlug,
    version: u64,
    modules: Vec<SentModule>,
    files: BTreeMap<String, Vec<u8>>,
    needs_node: bool,
    memory_bytes_max: u64,
    cpu_max: Duration,
    wall_clock_max: Duration,
    idle_timeout: Duration,
    concurrency_max: usize,
    /// As people write them. None: the host's own rule.
    egress: Option<Vec<String>>,
    environment: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SentModule {
    specifier: String,
    code: SentCode,
    source_map: Option<Arc<[u8]>>,
    imports: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
enum SentCode {
    Script(Arc<str>),
    CommonJs { text: Arc<str>, exports: Vec<String> },
    Json(Arc<str>),
    Wasm(Vec<u8>),
}

impl SentFunction {
    pub(crate) fn new(function: &Function, program: &Program) -> Self {
        let Limits { memory_bytes_max, cpu_max, wall_clock_max, idle_timeout, concurrency_max } =
            function.limits;
        let egress = match &function.capabilities.egress {
            Egress::Host => None,
            Egress::Listed(entries) => Some(entries.iter().map(ToString::to_string).collect()),
        };
        Self {
            slug: function.target.slug().clone(),
            version: function.version.0,
            modules: program.modules.iter().map(SentModule::new).collect(),
            files: program.files.iter().map(|(path, bytes)| (path.clone(), bytes.to_vec())).collect(),
            needs_node: program.needs_node,
            memory_bytes_max,
            cpu_max,
            wall_clock_max,
            idle_timeout,
            concurrency_max,
            egress,
            environment: function.environment.clone(),
        }
    }

    /// In the process, which is the isolation that the function has.
    pub(crate) fn function(self) -> Function {
        let egress = self.egress.map_or(Egress::Host, |entries| {
            Egress::Listed(entries.iter().filter_map(|entry| entry.parse().ok()).collect())
        });
        let program = Program {
            modules: self.modules.into_iter().map(SentModule::module).collect(),
            files: self.files.into_iter().map(|(path, bytes)| (path, bytes.into())).collect(),
            needs_node: self.needs_node,
        };
        Function {
            target: Target::user(self.slug),
            version: FunctionVersion(self.version),
            artifact: Artifact::Program(Arc::new(program)),
            limits: Limits {
                memory_bytes_max: self.memory_bytes_max,
                cpu_max: self.cpu_max,
                wall_clock_max: self.wall_clock_max,
                idle_timeout: self.idle_timeout,
                concurrency_max: self.concurrency_max,
            },
            capabilities: Capabilities { egress, ..Capabilities::all(Grant::None) },
            isolation: Isolation::Isolate,
            environment: self.environment,
        }
    }
}

impl SentModule {
    fn new(module: &Module) -> Self {
        let code = match &module.code {
            Code::Script(text) => SentCode::Script(text.clone()),
            Code::CommonJs { text, exports } => {
                SentCode::CommonJs { text: text.clone(), exports: exports.clone() }
            }
            Code::Json(text) => SentCode::Json(text.clone()),
            Code::Wasm(bytes) => SentCode::Wasm(bytes.to_vec()),
        };
        Self {
            specifier: module.specifier.clone(),
            code,
            source_map: module.source_map.clone(),
            imports: module.imports.clone(),
        }
    }

    fn module(self) -> Module {
        let code = match self.code {
            SentCode::Script(text) => Code::Script(text),
            SentCode::CommonJs { text, exports } => Code::CommonJs { text, exports },
            SentCode::Json(text) => Code::Json(text),
            SentCode::Wasm(bytes) => Code::Wasm(bytes.into()),
        };
        Module { specifier: self.specifier, code, source_map: self.source_map, imports: self.imports }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use isobase_base::{Capabilities, Egress, FunctionSlug, Grant, Isolation, Target};
    use isobase_engine::{Artifact, Code, Function, FunctionVersion, Limits, Module, Program};

    use super::SentFunction;

    #[test]
    fn a_function_arrives_as_it_was() {
        let wasm =
            Module { code: Code::Wasm((&b"\0asm"[..]).into()), ..Module::script("file:///f/a.wasm", "") };
        let modules = vec![Module::script("file:///f/index.ts", "export {}"), wasm];
        let files = [("/f/a.txt".to_owned(), (&b"a"[..]).into())].into();
        let program = Program { modules, files, needs_node: true };
        let egress =
            Egress::Listed(["*.example.com:443", "[fd00::]/8:5432"].map(|text| text.parse().unwrap()).into());
        let function = Function {
            target: Target::user(FunctionSlug::parse("f").unwrap()),
            version: FunctionVersion(3),
            artifact: Artifact::Program(Arc::default()),
            limits: Limits::default(),
            capabilities: Capabilities { egress, ..Capabilities::all(Grant::None) },
            isolation: Isolation::Process,
            environment: [("A".to_owned(), "b".to_owned())].into(),
        };
        let encoded = postcard::to_extend(&SentFunction::new(&function, &program), Vec::new()).unwrap();
        let arrived = postcard::from_bytes::<SentFunction>(&encoded).unwrap().function();
        assert!(matches!(&arrived.artifact, Artifact::Program(arrived) if **arrived == program));
        assert_eq!(arrived.limits, function.limits);
        assert_eq!(arrived.capabilities, function.capabilities);
        assert_eq!(arrived.environment, function.environment);
        assert_eq!(arrived.isolation, Isolation::Isolate);
    }
}
