//! Runs a file and reads what it tells.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::Request;
use isobase_base::{
    Body, Capabilities, Client, Context, FunctionSlug, Grant, Principal, RequestId, Target, TraceContext,
};
use isobase_engine::{Artifact, Code, Engine, Function, FunctionVersion, Limits, Module, Program};
use isobase_v8::{V8Config, V8Engine};

use crate::test_file::TestFile;

/// Stands among the failing subtests for what is wrong with the file as a whole.
pub(crate) const WHOLE_FILE: &str = "(the file)";
/// More than a test needs that is not stuck.
const BEYOND: Duration = Duration::from_secs(20);
const MEMORY_BYTES: u64 = 512 << 20;
/// Where a subtest's status is this, it passed.
const PASS: u64 = 0;

/// How the subtests of a file went: by name, `None` or why it failed.
#[derive(Debug, Default, serde::Serialize)]
pub(crate) struct Outcome {
    pub(crate) subtests: BTreeMap<String, Option<String>>,
}

#[derive(serde::Deserialize)]
struct Told {
    fault: Option<String>,
    subtests: Vec<(String, u64, String)>,
}

impl Outcome {
    fn of(told: Told) -> Self {
        let mut subtests = BTreeMap::new();
        for (name, status, message) in told.subtests {
            let failure = (status != PASS).then(|| format!("status {status}: {message}"));
            // One name may stand for several; all must pass.
            let kept: &mut Option<String> = subtests.entry(name).or_default();
            if kept.is_none() {
                *kept = failure;
            }
        }
        let fault = match told.fault {
            None if subtests.is_empty() => Some("it has no subtests".to_owned()),
            fault => fault,
        };
        if let Some(fault) = fault {
            subtests.insert(WHOLE_FILE.to_owned(), Some(fault));
        }
        Self { subtests }
    }

    fn broken(why: String) -> Self {
        Self::of(Told { fault: Some(why), subtests: Vec::new() })
    }

    pub(crate) fn passed(&self) -> usize {
        self.subtests.values().filter(|failure| failure.is_none()).count()
    }
}

fn engine() -> &'static Arc<V8Engine> {
    static ENGINE: OnceLock<Arc<V8Engine>> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let config = V8Config::new(PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
        V8Engine::new(config).expect("the engine starts")
    })
}

/// Runs `file` in an isolate of its own, or with the peer that `WPT_PEER` names.
pub(crate) async fn run(file: &TestFile, origin: &str) -> Outcome {
    let told = async {
        match std::env::var_os("WPT_PEER") {
            Some(deno) => told_by_peer(&deno, file, origin).await,
            None => told_by(file, origin).await,
        }
    };
    match tokio::time::timeout(file.patience() + BEYOND, told).await {
        Ok(Ok(text)) => match serde_json::from_str(&text) {
            Ok(told) => Outcome::of(told),
            Err(error) => Outcome::broken(format!("{error}: {text}")),
        },
        Ok(Err(why)) => Outcome::broken(why),
        Err(_) => Outcome::broken("it is stuck".to_owned()),
    }
}

async fn told_by(file: &TestFile, origin: &str) -> Result<String, String> {
    let worker = engine().boot(function(file, origin)).await.map_err(|failure| failure.to_string())?;
    let request = Request::get(format!("{origin}/")).body(Body::Empty).expect("a valid request");
    let answer = worker.invoke(request, context()).await.map_err(|failure| failure.to_string())?;
    let body = answer.into_body().collect(64 << 20).await.map_err(|failure| failure.to_string())?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// The same text, run by Deno's own program.
async fn told_by_peer(deno: &OsStr, file: &TestFile, origin: &str) -> Result<String, String> {
    let script = file
        .function(origin)
        .replace("Deno.serve(async () => new Answer(", "console.log(await (async () => (");
    let script = script.replace("(await run(SETTINGS))));", "(await run(SETTINGS))))());\nDeno.exit();");
    let path = tempfile::Builder::new().suffix(".js").tempfile().map_err(|error| error.to_string())?;
    std::fs::write(path.path(), script).map_err(|error| error.to_string())?;
    let mut command = tokio::process::Command::new(deno);
    command.args(["run", "-A", "--no-config", "--quiet"]).arg(path.path()).kill_on_drop(true);
    let output = command.output().await.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match text.lines().rev().find(|line| line.starts_with('{')) {
        Some(line) => Ok(line.to_owned()),
        None => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn function(file: &TestFile, origin: &str) -> Arc<Function> {
    let main = Module {
        specifier: "file:///wpt/index.js".to_owned(),
        code: Code::Script(file.function(origin).into()),
        source_map: None,
        imports: BTreeMap::new(),
    };
    let program = Program { modules: vec![main], files: BTreeMap::new(), needs_node: false };
    Arc::new(Function {
        target: Target::user(FunctionSlug::parse("wpt").expect("a valid slug")),
        version: FunctionVersion(1),
        artifact: Artifact::Program(Arc::new(program)),
        limits: Limits {
            memory_bytes_max: MEMORY_BYTES,
            cpu_max: BEYOND + file.patience(),
            ..Limits::default()
        },
        capabilities: Capabilities::all(Grant::Caller),
        isolation: isobase_base::Isolation::default(),
        environment: BTreeMap::new(),
    })
}

fn context() -> Context {
    Context {
        request_id: RequestId::generate(),
        trace: TraceContext::generate(),
        principal: Principal::anon(),
        deadline: Instant::now() + Duration::from_secs(120),
        client: Client { address: [127, 0, 0, 1].into() },
    }
}
