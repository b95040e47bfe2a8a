//! The engine: one wasmtime, and how functions become workers.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures::future::BoxFuture;
use isobase_base::observe::Observer;
use isobase_base::{
    Client, Context, Failure, FailureKind, Isolation, Principal, RequestId, TraceContext, limits,
};
use isobase_database::Database;
use isobase_engine::{Artifact, Engine, Function, Reuse, Worker};
use isobase_http::Network;
use isobase_queue::Queues;
use isobase_realtime::Hub;
use isobase_storage::Storage;
use wasmtime::component::{Component, Linker};

use crate::boot;
use crate::cache::CodeCache;
use crate::guest_log::LogSink;
use crate::instance::Program;
use crate::invocation;
use crate::memory::MemoryTotal;
use crate::settings;
use crate::state::{self, State};
use crate::ticker::Ticker;
use crate::worker::{WasmWorker, Workshop};

/// What the engine is given by whoever assembles the host.
#[derive(Clone, Default)]
pub struct WasmConfig {
    /// Where compiled code is kept between runs; made where it does not exist. `None` compiles at
    /// each start.
    pub cache_dir: Option<PathBuf>,
    /// What `isobase:host/database` works on; without one its calls answer `unavailable`.
    pub database: Option<Database>,
    /// What `isobase:host/queue` works on; likewise.
    pub queues: Option<Queues>,
    /// What `isobase:host/storage` works on; without one its calls are refused.
    pub storage: Option<Storage>,
    /// What `wasi:http` reaches.
    pub network: Network,
    /// What `isobase:host/realtime` publishes to; without one its calls answer `unavailable`.
    pub realtime: Option<Hub>,
    pub observer: Observer,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("WebAssembly cannot run here: {0}")]
    Engine(String),
    #[error("{0}")]
    Cache(String),
    #[error("the thread that interrupts functions could not be started: {0}")]
    Ticker(std::io::Error),
}

/// Runs components. One for the whole host: it owns the memory that instances are made in.
pub struct WasmEngine {
    engine: wasmtime::Engine,
    linker: Linker<State>,
    cache: CodeCache,
    ticker: Arc<Ticker>,
    database: Option<Database>,
    queues: Option<Queues>,
    storage: Option<Storage>,
    network: Network,
    realtime: Option<Hub>,
    observer: Observer,
}

impl WasmEngine {
    /// Reserves address space for all instances and starts the clock that interrupts them.
    pub fn new(config: WasmConfig) -> Result<Arc<Self>, StartError> {
        // Outbound TLS asks for a process-wide provider; whoever came first decides.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let engine = wasmtime_engine()?;
        let linker = state::linker(&engine).map_err(|error| StartError::Engine(error.to_string()))?;
        let cache =
            CodeCache::open(config.cache_dir).map_err(|error| StartError::Cache(error.to_string()))?;
        let ticker = Ticker::start(engine.weak()).map_err(StartError::Ticker)?;
        let ticker = Arc::new(ticker);
        Ok(Arc::new(Self {
            engine,
            linker,
            cache,
            ticker,
            database: config.database,
            queues: config.queues,
            storage: config.storage,
            network: config.network,
            realtime: config.realtime,
            observer: config.observer,
        }))
    }

    /// Compiles `component` into the cache, so that its first boot is quick. Fails as a boot would.
    pub async fn precompile(self: &Arc<Self>, component: Bytes) -> Result<(), Failure> {
        self.load(component).await.map(drop)
    }

    /// Compiling keeps a thread busy for as long as it takes: not one of the runtime's own.
    async fn load(&self, bytes: Bytes) -> Result<Component, Failure> {
        boot::check_header(&bytes)?;
        let engine = self.engine.clone();
        let cache = self.cache.clone();
        tokio::task::spawn_blocking(move || cache.load(&engine, &bytes))
            .await
            .map_err(|error| Failure::new(FailureKind::Host, format!("the compiler panicked: {error}")))?
            .map_err(|error| boot::not_compiled(&error))
    }

    async fn boot_component(
        &self,
        function: Arc<Function>,
        bytes: Bytes,
        reuse: Reuse,
    ) -> Result<Arc<dyn Worker>, Failure> {
        let component = self.load(bytes).await?;
        let pre = boot::prepare(&self.linker, &component)?;
        let program = Program {
            pre,
            environment: function.worker_environment().into_iter().collect(),
            database: self.database.clone(),
            queues: self.queues.clone(),
            storage: self.storage.clone(),
            client: (self.network.client(&function.capabilities.egress), self.network.inward().clone()),
            realtime: self.realtime.clone(),
            sink: Arc::new(LogSink::new(self.observer.function(&function.target), function.version)),
            memory: MemoryTotal::default(),
            ticker: Arc::clone(&self.ticker),
            function,
        };
        let first = invocation::first_instance(&program, boot_context()).await.map_err(boot::not_started)?;
        Ok(Arc::new(WasmWorker::new(Workshop::new(program, reuse, first))))
    }
}

impl Engine for WasmEngine {
    fn name(&self) -> &'static str {
        "wasm"
    }

    fn runs(&self, artifact: &Artifact) -> bool {
        match artifact {
            Artifact::Component { .. } => true,
            Artifact::Program(_) => false,
        }
    }

    fn boot(&self, function: Arc<Function>) -> BoxFuture<'_, Result<Arc<dyn Worker>, Failure>> {
        Box::pin(async move {
            let Artifact::Component { bytes, reuse } = function.artifact.clone() else {
                return Err(Failure::new(FailureKind::Host, "the function is no WebAssembly component"));
            };
            if function.isolation == Isolation::Process {
                let text = "isolation = \"process\" is for functions in TypeScript and JavaScript; a component has no \
                     need of it, since each request gets an instance of its own";
                return Err(Failure::new(FailureKind::Boot, text));
            }
            self.boot_component(function, bytes, reuse).await
        })
    }
}

/// The pool reserves terabytes of address space. Where the system forbids that, instances are
/// made one by one: slower, otherwise the same.
fn wasmtime_engine() -> Result<wasmtime::Engine, StartError> {
    wasmtime::Engine::new(&settings::config(true)).or_else(|error| {
        tracing::warn!(%error, "address space for WebAssembly could not be reserved; functions start slower");
        wasmtime::Engine::new(&settings::config(false)).map_err(|error| StartError::Engine(error.to_string()))
    })
}

/// For the instance that only shows that a function starts: nobody's request.
fn boot_context() -> Context {
    Context {
        request_id: RequestId::generate(),
        trace: TraceContext::generate(),
        principal: Principal::anon(),
        deadline: Instant::now() + limits::FUNCTION_BOOT_TIMEOUT,
        client: Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST) },
    }
}
