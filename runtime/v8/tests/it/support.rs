//! Functions, requests and contexts in a line each.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use isobase_base::observe::{Journal, JournalEntry, JournalEvent, Observer};
use isobase_base::{
    Body, Capabilities, Client, Context, Failure, FunctionSlug, Grant, Principal, RequestId, Target,
    TraceContext,
};
use isobase_engine::{Artifact, Code, Engine, Function, FunctionVersion, Limits, Module, Program, Worker};
use isobase_v8::{V8Config, V8Engine};

fn config() -> V8Config {
    V8Config::new(PathBuf::from(env!("CARGO_TARGET_TMPDIR")))
}

/// One engine for the whole binary, as in the product.
pub(crate) fn engine() -> &'static Arc<V8Engine> {
    static ENGINE: OnceLock<Arc<V8Engine>> = OnceLock::new();
    ENGINE.get_or_init(|| V8Engine::new(V8Config { observer: observer(), ..config() }).unwrap())
}

/// What functions of the engine logged, as `level message` by slug.
#[derive(Default)]
struct Kept(Mutex<Vec<(String, String)>>);

impl Journal for Kept {
    fn write(&self, entry: JournalEntry<'_>) {
        if entry.event == JournalEvent::Line {
            let line = format!("{} {}", entry.level.as_str(), entry.message);
            self.0.lock().unwrap().push((entry.target.slug().to_string(), line));
        }
    }
}

fn kept() -> &'static Arc<Kept> {
    static KEPT: OnceLock<Arc<Kept>> = OnceLock::new();
    KEPT.get_or_init(Arc::default)
}

fn observer() -> Observer {
    let observer = Observer::default();
    observer.keep_journal(kept().clone());
    observer
}

/// The lines that `slug` logged so far.
pub(crate) fn logged(slug: &str) -> Vec<String> {
    let kept = kept().0.lock().unwrap();
    kept.iter().filter(|(of, _)| of == slug).map(|(_, line)| line.clone()).collect()
}

/// The same with a database behind it.
fn engine_with_database() -> &'static Arc<V8Engine> {
    static ENGINE: OnceLock<Arc<V8Engine>> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let database = Some(crate::postgres::database());
        V8Engine::new(V8Config { prewarmed: 0, database, ..config() }).unwrap()
    })
}

/// A function of one module, `file:///<slug>/index.ts`.
pub(crate) struct FunctionBuilder {
    slug: &'static str,
    code: String,
    source_map: Option<&'static str>,
    imports: BTreeMap<String, String>,
    others: Vec<Module>,
    files: BTreeMap<String, Bytes>,
    needs_node: bool,
    environment: BTreeMap<String, String>,
    limits: Limits,
    database: bool,
}

pub(crate) fn function(slug: &'static str, code: &str) -> FunctionBuilder {
    FunctionBuilder {
        slug,
        code: code.to_owned(),
        source_map: None,
        imports: BTreeMap::new(),
        others: Vec::new(),
        files: BTreeMap::new(),
        needs_node: false,
        environment: BTreeMap::new(),
        limits: Limits::default(),
        database: false,
    }
}

impl FunctionBuilder {
    pub(crate) fn cpu(mut self, cpu: Duration) -> Self {
        self.limits.cpu_max = cpu;
        self
    }

    pub(crate) fn wall_clock(mut self, wall_clock: Duration) -> Self {
        self.limits.wall_clock_max = wall_clock;
        self
    }

    pub(crate) fn memory(mut self, mebibytes: u64) -> Self {
        self.limits.memory_bytes_max = mebibytes << 20;
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn source_map(mut self, map: &'static str) -> Self {
        self.source_map = Some(map);
        self
    }

    pub(crate) fn import(mut self, written: &str, specifier: &str, code: &str) -> Self {
        self.imports.insert(written.to_owned(), specifier.to_owned());
        self.others.push(Module::script(specifier, code));
        self
    }

    pub(crate) fn module(mut self, module: Module) -> Self {
        self.others.push(module);
        self
    }

    pub(crate) fn resolving(mut self, written: &str, specifier: &str) -> Self {
        self.imports.insert(written.to_owned(), specifier.to_owned());
        self
    }

    pub(crate) fn file(mut self, path: &str, text: &'static str) -> Self {
        self.files.insert(path.to_owned(), Bytes::from_static(text.as_bytes()));
        self
    }

    pub(crate) fn needs_node(mut self) -> Self {
        self.needs_node = true;
        self
    }

    pub(crate) fn with_database(mut self) -> Self {
        self.database = true;
        self
    }

    pub(crate) fn build(self) -> Arc<Function> {
        let main = Module {
            specifier: format!("file:///{}/index.ts", self.slug),
            code: Code::Script(self.code.into()),
            source_map: self.source_map.map(|map| map.as_bytes().into()),
            imports: self.imports,
        };
        // As functions are built.
        let needs_node = self.needs_node
            || main.code.text().is_some_and(|text| text.contains("node:"))
            || self.others.iter().any(|module| matches!(module.code, Code::CommonJs { .. }));
        let modules: Vec<Module> = std::iter::once(main).chain(self.others).collect();
        Arc::new(Function {
            target: Target::user(FunctionSlug::parse(self.slug).unwrap()),
            version: FunctionVersion(1),
            artifact: Artifact::Program(Arc::new(Program { modules, files: self.files, needs_node })),
            limits: self.limits,
            capabilities: Capabilities::all(Grant::Caller),
            isolation: isobase_base::Isolation::default(),
            environment: self.environment,
        })
    }

    pub(crate) async fn boot(self) -> Result<Arc<dyn Worker>, Failure> {
        let engine = if self.database { engine_with_database() } else { engine() };
        engine.boot(self.build()).await
    }
}

pub(crate) fn context() -> Context {
    context_of(Principal::anon())
}

pub(crate) fn context_of(principal: Principal) -> Context {
    Context {
        request_id: RequestId::generate(),
        trace: TraceContext::generate(),
        principal,
        deadline: Instant::now() + Duration::from_secs(60),
        client: Client { address: [192, 0, 2, 7].into() },
    }
}

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(format!("http://localhost:54321{path}")).body(Body::Empty).unwrap()
}

pub(crate) fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(format!("http://localhost:54321{path}")).body(body.into()).unwrap()
}

/// Status and body.
pub(crate) async fn read(answer: Result<Response<Body>, Failure>) -> String {
    match answer {
        Ok(response) => {
            let status = response.status().as_u16();
            let body = response.into_body().collect(64 << 20).await.unwrap();
            format!("{status} {}", String::from_utf8_lossy(&body))
        }
        Err(failure) => format!("{} {}", failure.kind.status().as_u16(), failure),
    }
}

/// Boots `code`, sends one GET, gives status and body.
pub(crate) async fn answer(slug: &'static str, code: &str) -> String {
    match function(slug, code).boot().await {
        Ok(worker) => read(worker.invoke(get("/"), context()).await).await,
        Err(failure) => failure.to_string(),
    }
}

/// What `body`, the body of an async function behind `imports`, returns: its text, or its error.
pub(crate) async fn outcome(slug: &'static str, imports: &str, body: &str) -> String {
    outcome_of(function(slug, &outcome_code(imports, body))).await
}

pub(crate) fn outcome_code(imports: &str, body: &str) -> String {
    format!(
        "{imports}\nasync function body(request) {{ {body} }}\n
        Deno.serve(async (request) => {{
            try {{ return new Response(String(await body(request))); }}
            catch (error) {{ return new Response(`threw ${{error?.stack ?? error}} ${{error?.code ?? ''}}`); }}
        }});"
    )
}

pub(crate) async fn outcome_of(builder: FunctionBuilder) -> String {
    let told = match builder.boot().await {
        Ok(worker) => read(worker.invoke(get("/"), context()).await).await,
        Err(failure) => failure.to_string(),
    };
    told.strip_prefix("200 ").map(str::to_owned).unwrap_or(told)
}

/// Runs each `(name, imports, body)` and compares what it returns with the fourth; tells all that differ.
pub(crate) async fn check_table(slug: &'static str, table: &[(&str, &str, &str, &str)]) {
    let mut wrong = String::new();
    for (name, imports, body, expected) in table {
        let told = outcome(slug, imports, body).await;
        if told != *expected {
            wrong.push_str(&format!("{name}: expected {expected}\n{told}\n\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Waits until `holds`, for at most ten seconds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < until, "{what} did not come about in 10 s");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
