//! One V8 isolate on its own thread: created from the snapshot, given a function, then serving
//! requests until its worker is dropped, retired or broken.

mod boot;
mod hooks;
mod inspected;
mod leaving;
mod serve;
mod thread;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use deno_core::{JsRuntime, RuntimeOptions, v8};
use isobase_base::observe::FunctionObserver;
use isobase_base::{Failure, limits};
use isobase_bind_v8::Callers;
use isobase_bind_v8::HostApis;
use isobase_engine::{Function, Retirement};
use isobase_http::Network;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::cpu::{CpuMeter, Turns};
use crate::ender::Ender;
use crate::extensions;
use crate::files::Disk;
use crate::images::{Image, Platform};
use crate::inspect::{Inspector, Registration};
use crate::invocation::{Arrival, InvocationId, Invocations};
use crate::loader::FunctionLoader;
use crate::memory::{self, MemoryMeter};
use crate::native::NativeThreads;
use crate::ops::lifecycle::HandlerRegistered;
use crate::permissions;
use crate::scripts::Scripts;
use hooks::Hooks;
use leaving::Leaving;

pub(crate) use thread::{Idle, spawn};

/// What an isolate is told. Bounded by the worker's concurrency: each invocation sends at most two.
pub(crate) enum Command {
    Invoke(Box<Arrival>),
    /// Nobody waits for this one any more.
    Cancel(InvocationId),
    /// End when the requests in flight have.
    Retire(Retirement),
}

/// What an unconfigured isolate is made into.
pub(crate) struct Assignment {
    pub(crate) function: Arc<Function>,
    pub(crate) apis: HostApis,
    pub(crate) network: Network,
    /// Where debuggers find it, if anywhere.
    pub(crate) inspector: Option<Inspector>,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    pub(crate) wake: Wake,
    pub(crate) status: Arc<Status>,
    /// Taken by the isolate's thread.
    pub(crate) alive: Option<Alive>,
    pub(crate) booted: oneshot::Sender<Result<(), Failure>>,
}

/// One of the engine's isolates that were given a function, until it has ended.
pub(crate) struct Alive(Arc<AtomicUsize>);

impl Alive {
    pub(crate) fn among(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, Ordering::AcqRel);
        Self(all.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Lets the isolate's own tasks speak to its loop, without keeping it alive.
pub(crate) struct Wake(mpsc::WeakUnboundedSender<Command>);

impl Wake {
    pub(crate) fn new(commands: &mpsc::UnboundedSender<Command>) -> Self {
        Self(commands.downgrade())
    }

    /// Speaks to nobody.
    fn nowhere() -> Self {
        Self(mpsc::unbounded_channel().0.downgrade())
    }

    pub(crate) fn cancel(&self, id: InvocationId) {
        if let Some(commands) = self.0.upgrade() {
            // The loop may have ended; then there is nothing to cancel.
            let _ = commands.send(Command::Cancel(id));
        }
    }
}

/// What a worker and its isolate share.
pub(crate) struct Status {
    pub(crate) observer: FunctionObserver,
    /// A [`Retirement`] as a number, or [`WELL`].
    retirement: AtomicU8,
    /// In microseconds, smoothed.
    queue_delay: AtomicU32,
    /// The isolate's thread has stopped for good, and answers nobody.
    is_stuck: AtomicBool,
    stuck: Notify,
}

/// A single long wait moves the average by one part in so many.
const QUEUE_DELAY_WEIGHT: u32 = 16;

const WELL: u8 = u8::MAX;

impl Status {
    pub(crate) fn new(observer: FunctionObserver) -> Arc<Self> {
        Arc::new(Self {
            observer,
            retirement: AtomicU8::new(WELL),
            queue_delay: AtomicU32::new(0),
            is_stuck: AtomicBool::new(false),
            stuck: Notify::new(),
        })
    }

    /// Told by the thread itself, as the last thing it does.
    pub(crate) fn note_stuck(&self) {
        self.retire(Retirement::Crashed);
        self.is_stuck.store(true, Ordering::Release);
        self.stuck.notify_waiters();
    }

    /// Resolves when the isolate will never answer.
    pub(crate) async fn stuck(&self) {
        // Made first: a `Notified` hears of what happens after it was made.
        let told = self.stuck.notified();
        if !self.is_stuck.load(Ordering::Acquire) {
            told.await;
        }
    }

    pub(crate) fn retirement(&self) -> Option<Retirement> {
        Retirement::numbered(self.retirement.load(Ordering::Acquire))
    }

    pub(crate) fn queue_delay(&self) -> Duration {
        Duration::from_micros(self.queue_delay.load(Ordering::Relaxed).into())
    }

    /// A request waited so long to be taken up. Only the isolate's thread calls this.
    pub(crate) fn note_queue_delay(&self, waited: Duration) {
        let waited = u32::try_from(waited.as_micros()).unwrap_or(u32::MAX) / QUEUE_DELAY_WEIGHT;
        let before = self.queue_delay.load(Ordering::Relaxed);
        self.queue_delay.store(before - before / QUEUE_DELAY_WEIGHT + waited, Ordering::Relaxed);
    }

    /// The first reason stays. True for the call that set it.
    pub(crate) fn retire(&self, reason: Retirement) -> bool {
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        self.retirement.compare_exchange(WELL, reason.number(), success, failure).is_ok()
    }
}

/// The isolate and what it needs around it. Fields are dropped in order: debuggers no longer find what is about
/// to end, then the runtime goes, since V8 keeps a pointer to the memory meter and to the texts of the loader's
/// modules.
pub(crate) struct Isolate {
    registration: Option<Registration>,
    runtime: JsRuntime,
    hooks: Hooks,
    turns: Turns,
    loader: Rc<FunctionLoader>,
    scripts: Scripts,
    disk: Arc<Disk>,
    leaving: Leaving,
    /// CPU time since a request was taken up, of turns in which none was in flight: timers and promises that
    /// answered requests left behind.
    left_behind: Duration,
    /// CPU time of a boot: far more where a debugger may pause it.
    boot_cpu_max: Duration,
    memory: Arc<MemoryMeter>,
}

impl Isolate {
    /// On the isolate's own thread, inside its tokio runtime.
    fn create(
        image: Image,
        memory: Arc<MemoryMeter>,
        native: Arc<NativeThreads>,
        heap_bytes_max: usize,
    ) -> Result<Self, String> {
        let loader = Rc::new(FunctionLoader::new());
        let disk = Disk::new(&memory);
        let mut runtime = JsRuntime::try_new(RuntimeOptions {
            module_loader: Some(loader.clone()),
            extensions: extensions::for_isolate(&memory, &disk),
            startup_snapshot: Some(image.snapshot),
            residual_lazy_js_sources: image.scripts.classic,
            residual_lazy_esm_sources: image.scripts.modules,
            skip_op_registration: true,
            // To a debugger it is the program, and no worker of one.
            is_main: true,
            create_params: Some(memory::create_params(&memory, heap_bytes_max)),
            // What is transferred or cloned to a port waits there; no other isolate has this one's.
            shared_array_buffer_store: Some(Default::default()),
            compiled_wasm_module_store: Some(Default::default()),
            ..Default::default()
        })
        .map_err(|error| error.print_with_cause())?;
        let ender = Ender::new(&mut runtime);
        memory::watch(&mut runtime, &memory, ender.clone());
        let turns = Turns::new(CpuMeter::of_this_thread(ender, memory.clone(), native));
        let hooks = Hooks::take(&mut runtime);
        let leaving = Leaving::default();
        // A script that blocks its thread would block all requests of the isolate, and use no CPU time.
        runtime.v8_isolate().set_allow_atomics_wait(false);
        let mut isolate = Self {
            registration: None,
            runtime,
            hooks,
            turns,
            loader,
            scripts: image.scripts,
            disk,
            leaving,
            left_behind: Duration::ZERO,
            boot_cpu_max: limits::FUNCTION_BOOT_TIMEOUT,
            memory,
        };
        isolate.put_state();
        isolate.start(image.platform);
        memory::note_heap(isolate.runtime.v8_isolate(), &isolate.memory);
        Ok(isolate)
    }

    fn put_state(&mut self) {
        let state = self.runtime.op_state();
        let mut state = state.borrow_mut();
        state.put(permissions::of_none(&self.disk));
        state.put(self.disk.clone());
        state.put(Arc::new(deno_features::FeatureChecker::default()));
        state.put(Invocations::new(self.turns.clock(), self.memory.clone()));
        state.put(Callers::default());
        state.put(self.loader.fresh.clone());
        state.put(HandlerRegistered::default());
        state.put(self.loader.modules.clone());
    }

    fn start(&mut self, platform: Platform) {
        let start = self.hooks.start.clone();
        deno_core::scope!(scope, self.runtime);
        let version = concat!("isobase-", env!("CARGO_PKG_VERSION"), " (compatible with Deno v2.1.4)");
        let arguments = [version, &extensions::user_agent()]
            .map(|text| v8::String::new(scope, text).unwrap_or_else(|| v8::String::empty(scope)).into());
        let [version, user_agent] = arguments;
        let has_node = v8::Boolean::new(scope, platform == Platform::Node).into();
        let receiver = v8::undefined(scope).into();
        v8::Local::new(scope, start).call(scope, receiver, &[version, user_agent, has_node]);
    }
}
