//! The engine: from a function to a worker.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use isobase_base::observe::Observer;
use isobase_base::{Failure, FailureKind, Isolation, limits};
use isobase_bind_v8::HostApis;
use isobase_database::Database;
use isobase_engine::{Artifact, Engine, Function, Worker};
use isobase_http::Network;
use isobase_queue::Queues;
use isobase_realtime::Hub;
use isobase_storage::Storage;
use tokio::sync::{mpsc, oneshot};

use crate::images::{Platform, SnapshotError};
use crate::inspect::Inspector;
use crate::isolate::{Alive, Assignment, Status, Wake};
use crate::keeper::Keeper;
use crate::shelf::Shelf;
use crate::worker::V8Worker;

/// How the engine is set up.
pub struct V8Config {
    /// Where the startup snapshot is kept between runs.
    pub cache_dir: PathBuf,
    /// Isolates kept ready for the next function to start. Each costs about a megabyte and a
    /// thread; [`V8Config::PREWARMED`] suits one machine.
    pub prewarmed: usize,
    /// What `isobase:host/database` speaks to; without one it refuses every statement.
    pub database: Option<Database>,
    /// What `isobase:host/queue` speaks to; likewise.
    pub queues: Option<Queues>,
    /// What `isobase:host/realtime` publishes to; without one it refuses every message.
    pub realtime: Option<Hub>,
    /// What `isobase:host/storage` works on; without one it refuses every call.
    pub storage: Option<Storage>,
    /// What `fetch` and its like reach.
    pub network: Network,
    /// Where debuggers attach to functions. With one, no clock ends a function, see [`Inspector`].
    pub inspector: Option<Inspector>,
    pub observer: Observer,
}

impl V8Config {
    /// The usual number of isolates kept ready.
    pub const PREWARMED: usize = 2;

    /// Of an engine whose functions have no host APIs and no debugger.
    pub fn new(cache_dir: PathBuf) -> Self {
        Self {
            cache_dir,
            prewarmed: Self::PREWARMED,
            database: None,
            queues: None,
            realtime: None,
            storage: None,
            network: Network::default(),
            inspector: None,
            observer: Observer::default(),
        }
    }
}

/// Why the engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum V8EngineError {
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("cannot start the thread that keeps V8; raise the limit on threads")]
    Thread,
    #[error("V8 did not start; see the lines above this one")]
    Platform,
}

/// Runs functions made of JavaScript modules, one isolate and one thread each.
pub struct V8Engine {
    shelf: Arc<Shelf>,
    apis: HostApis,
    network: Network,
    inspector: Option<Inspector>,
    observer: Observer,
    alive: Arc<AtomicUsize>,
}

impl V8Engine {
    /// Initialises V8 on a thread of its own and loads the snapshot, writing it first if this build
    /// has not run here before (about a second). Blocks meanwhile; may be called from any thread.
    /// Several engines share V8 and the first one's snapshot.
    pub fn new(config: V8Config) -> Result<Arc<Self>, V8EngineError> {
        let shelf = Shelf::new(Keeper::prepared(config.cache_dir)?, config.prewarmed);
        let V8Config { database, queues, realtime, storage, network, inspector, observer, .. } = config;
        let apis = HostApis { database, queues, realtime, storage };
        let alive = Arc::default();
        Ok(Arc::new(Self { shelf, apis, network, inspector, observer, alive }))
    }

    /// How many functions can have an isolate at once: less than [`limits::V8_ISOLATES_MAX`] where the process
    /// may have few file descriptors.
    pub fn isolates_max(&self) -> usize {
        self.shelf.places()
    }

    /// How many isolates wait for a function.
    pub fn ready_isolates(&self) -> usize {
        self.shelf.len()
    }

    /// From now on so many isolates are kept ready, instead of [`V8Config::prewarmed`].
    pub fn keep_ready(&self, wanted: usize) {
        self.shelf.keep(wanted);
    }

    async fn start(&self, function: Arc<Function>) -> Result<Arc<dyn Worker>, Failure> {
        if function.isolation == Isolation::Process {
            let text = "this host has no processes for functions; see isolation in the README";
            return Err(Failure::new(FailureKind::Boot, text));
        }
        let platform = match &function.artifact {
            Artifact::Program(program) => Platform::of(program.needs_node),
            Artifact::Component { .. } => Platform::Web,
        };
        let idle = self.shelf.take(platform, function.limits.memory_bytes_max).await?;
        let status = Status::new(self.observer.function(&function.target));
        let (commands, inbox) = mpsc::unbounded_channel();
        let (booted, outcome) = oneshot::channel();
        // From here on dropping the worker ends the isolate, also when the boot is given up.
        let worker = V8Worker::new(commands, status.clone(), idle.memory.clone(), idle.terminator.clone());
        let assignment = Assignment {
            function,
            apis: self.apis.clone(),
            network: self.network.clone(),
            inspector: self.inspector.clone(),
            commands: inbox,
            wake: Wake::new(worker.commands()),
            status: status.clone(),
            alive: Some(Alive::among(&self.alive)),
            booted,
        };
        if !idle.assign(assignment) {
            return Err(Failure::new(FailureKind::Host, "a ready isolate had ended"));
        }
        let bound = match self.inspector {
            Some(_) => limits::INSPECTED_CLOCK,
            None => limits::FUNCTION_BOOT_TIMEOUT,
        };
        let outcome = async {
            tokio::select! {
                outcome = outcome => outcome.unwrap_or_else(|_| Err(ended_early())),
                () = status.stuck() => Err(ended_early()),
            }
        };
        let outcome = tokio::time::timeout(bound, outcome).await;
        self.shelf.booted(platform);
        match outcome {
            Ok(Ok(())) => Ok(Arc::new(worker)),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(Failure::new(
                FailureKind::Boot,
                format!("the function was not ready after {} s", bound.as_secs()),
            )),
        }
    }
}

fn ended_early() -> Failure {
    Failure::new(FailureKind::Boot, "the isolate ended while it loaded the function")
}

impl Engine for V8Engine {
    fn name(&self) -> &'static str {
        "v8"
    }

    fn runs(&self, artifact: &Artifact) -> bool {
        matches!(artifact, Artifact::Program(_))
    }

    fn boot(&self, function: Arc<Function>) -> BoxFuture<'_, Result<Arc<dyn Worker>, Failure>> {
        self.start(function).boxed()
    }

    fn may_pause(&self) -> bool {
        self.inspector.is_some()
    }

    fn workers_alive(&self) -> usize {
        self.alive.load(Ordering::Acquire)
    }
}
