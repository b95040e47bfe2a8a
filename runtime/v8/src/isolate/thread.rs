//! The thread of an isolate.

use std::sync::Arc;
use std::time::Duration;

use deno_core::v8;
use isobase_base::limits;
use tokio::sync::oneshot;

use super::{Assignment, Isolate};
use crate::cpu;
use crate::images::Image;
use crate::keeper::Slot;
use crate::memory::MemoryMeter;
use crate::native::NativeThreads;
use crate::stuck::{self, Lifeline};

/// How long the end of an isolate waits for calls that block before they have to yield to all others.
const BLOCKING_END: Duration = Duration::from_millis(100);
/// How long a thread for such calls waits for the next one.
const BLOCKING_REST: Duration = Duration::from_secs(2);

/// An isolate that waits for its function.
pub(crate) struct Idle {
    assign: oneshot::Sender<Assignment>,
    pub(crate) terminator: v8::IsolateHandle,
    pub(crate) memory: Arc<MemoryMeter>,
}

impl Idle {
    /// False when the isolate has died meanwhile.
    pub(crate) fn assign(self, assignment: Assignment) -> bool {
        self.assign.send(assignment).is_ok()
    }
}

/// Starts a thread and creates an isolate on it; `ready` gets it, or why there is none. Only
/// threads descended from the one that initialised V8 may call this.
pub(crate) fn spawn(
    image: Image,
    memory_bytes_max: u64,
    slot: Slot,
    ready: impl FnOnce(Result<Idle, String>) + Send + 'static,
) -> std::io::Result<()> {
    let body = move || {
        // Held until the isolate is gone.
        let _slot = slot;
        let native = Arc::new(NativeThreads::default());
        let [begun, ended] = [native.clone(), native.clone()];
        let reactor = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(limits::V8_BLOCKING_THREADS_MAX)
            .thread_keep_alive(BLOCKING_REST)
            .on_thread_start(move || {
                begun.enter();
                cpu::look();
            })
            .on_thread_stop(move || ended.leave())
            .build();
        let reactor = match reactor {
            Ok(reactor) => reactor,
            Err(error) => return ready(Err(format!("cannot start an isolate's reactor: {error}"))),
        };
        reactor.block_on(live(image, memory_bytes_max, native.clone(), ready));
        reactor.shutdown_timeout(BLOCKING_END);
        // What is left computes for nobody. Its isolate keeps its place among all until it is done: there must
        // not be ever more of them.
        native.yield_to_all();
        native.join();
    };
    std::thread::Builder::new()
        .name("v8-isolate".to_owned())
        .stack_size(limits::V8_STACK_BYTES)
        .spawn(body)
        .map(drop)
}

/// An isolate's life.
async fn live(
    image: Image,
    memory_bytes_max: u64,
    native: Arc<NativeThreads>,
    ready: impl FnOnce(Result<Idle, String>),
) {
    let memory = MemoryMeter::new(memory_bytes_max);
    let heap_bytes_max = usize::try_from(memory_bytes_max).unwrap_or(usize::MAX);
    let mut isolate = match Isolate::create(image, memory.clone(), native, heap_bytes_max) {
        Ok(isolate) => isolate,
        Err(why) => return ready(Err(why)),
    };
    let (assign, assigned) = oneshot::channel();
    let terminator = isolate.runtime.v8_isolate().thread_safe_handle();
    ready(Ok(Idle { assign, terminator, memory }));
    let Ok(mut assignment) = assigned.await else { return };
    name_thread(assignment.function.target.slug().as_str());
    let Some(alive) = assignment.alive.take() else { return };
    stuck::contain(Lifeline {
        function: assignment.function.target.to_string(),
        status: assignment.status.clone(),
        alive,
        meter: isolate.turns.meter().clone(),
    });
    let booted = isolate.boot(&mut assignment).await;
    assignment.status.observer.cpu(isolate.turns.shared());
    let serves = booted.is_ok();
    let Assignment { function, commands, status, booted: tell, .. } = assignment;
    if tell.send(booted).is_ok() && serves {
        isolate.keep_compiled();
        isolate.serve(commands, &function.limits, &status).await;
    }
    // Not before its last script has run: a stopping host waits for that.
    stuck::finished();
}

/// The kernel shows up to 15 bytes of it, in `top -H` for instance.
fn name_thread(slug: &str) {
    let mut name: Vec<u8> = b"fn:".iter().copied().chain(slug.bytes().take(12)).collect();
    name.push(0);
    // SAFETY: `name` ends with a zero byte and is alive during the call; the thread is this one.
    unsafe { libc::pthread_setname_np(libc::pthread_self(), name.as_ptr().cast()) };
}
