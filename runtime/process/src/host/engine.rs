//! The engine: a process for those functions that are to have one; the others go to the engine in the host.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use isobase_base::observe::Observer;
use isobase_base::{Failure, FailureKind, Isolation};
use isobase_engine::{Artifact, Engine, Function, Program, Worker};
use isobase_http::Network;

use super::process::Keeper;
use super::shelf::Shelf;
use super::worker::{Alive, ProcessWorker};
use crate::sandbox::{self, Unsupported};

/// What a process does not have.
const HOST_APIS: &str = "isobase:host/";

/// How the engine is set up.
pub struct ProcessConfig {
    /// A program that with these `arguments` calls [`crate::serve`].
    pub program: PathBuf,
    pub arguments: Vec<String>,
    /// Where `inside` keeps what it starts from: the processes read it too.
    pub cache_dir: PathBuf,
    pub network: Network,
    pub observer: Observer,
}

/// Runs functions whose isolation is [`Isolation::Process`] in processes of their own.
pub struct ProcessEngine {
    /// For all others.
    inside: Arc<dyn Engine>,
    shelf: Arc<Shelf>,
    supported: Result<(), Unsupported>,
    network: Network,
    observer: Observer,
    alive: Arc<AtomicUsize>,
}

impl ProcessEngine {
    /// Functions without a process go to `inside`.
    ///
    /// # Errors
    /// When the thread that starts processes cannot be had.
    pub fn new(inside: Arc<dyn Engine>, config: ProcessConfig) -> std::io::Result<Self> {
        let ProcessConfig { program, arguments, cache_dir, network, observer } = config;
        let keeper = Keeper::start(program, arguments)?;
        let shelf = Shelf::new(keeper, network.clone(), cache_dir);
        let supported = sandbox::check();
        Ok(Self { inside, shelf, supported, network, observer, alive: Arc::default() })
    }

    async fn start(&self, function: Arc<Function>) -> Result<Arc<dyn Worker>, Failure> {
        let Artifact::Program(program) = &function.artifact else {
            return Err(refused("the function is not made of JavaScript modules"));
        };
        self.check(program)?;
        let alive = Alive::among(&self.alive);
        let prepared = self.shelf.take().await?;
        let observer = self.observer.function(&function.target);
        let worker = ProcessWorker::boot(prepared, &function, program, &self.network, observer, alive);
        Ok(Arc::new(worker.await?))
    }

    /// Whether the function can be had in a process here.
    fn check(&self, program: &Program) -> Result<(), Failure> {
        if let Err(why) = &self.supported {
            return Err(refused(&format!("isolation = \"process\" cannot be had here: {why}")));
        }
        if self.inside.may_pause() {
            return Err(refused(
                "a debugger cannot reach into the process of a function; start without --inspect, or leave out \
                 isolation = \"process\" meanwhile",
            ));
        }
        for module in &program.modules {
            // An import that means what it says is in the text alone.
            let is_meant = module.imports.values().any(|target| target.starts_with(HOST_APIS));
            let is_written = module.code.text().is_some_and(|text| text.contains(HOST_APIS));
            if is_meant || is_written {
                let text = format!(
                    "{} names {HOST_APIS}…, which functions with isolation = \"process\" do not have; use supabase-js, or \
                     leave out the isolation",
                    module.specifier
                );
                return Err(refused(&text));
            }
        }
        Ok(())
    }
}

fn refused(text: &str) -> Failure {
    Failure::new(FailureKind::Boot, text)
}

impl Engine for ProcessEngine {
    fn name(&self) -> &'static str {
        self.inside.name()
    }

    fn runs(&self, artifact: &Artifact) -> bool {
        self.inside.runs(artifact)
    }

    fn boot(&self, function: Arc<Function>) -> BoxFuture<'_, Result<Arc<dyn Worker>, Failure>> {
        match function.isolation {
            Isolation::Isolate => self.inside.boot(function),
            Isolation::Process => self.start(function).boxed(),
        }
    }

    fn may_pause(&self) -> bool {
        self.inside.may_pause()
    }

    fn workers_alive(&self) -> usize {
        self.inside.workers_alive() + self.alive.load(Ordering::Acquire)
    }
}
