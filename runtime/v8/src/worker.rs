//! The pool's end of an isolate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use deno_core::v8;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use isobase_base::{Body, Context, Failure, FailureKind};
use isobase_engine::{Retirement, Worker};
use tokio::sync::{mpsc, oneshot};

use crate::invocation::{Arrival, InvocationId};
use crate::isolate::{Command, Status};
use crate::memory::MemoryMeter;

/// Ids stay below V8's bound for small integers on every platform.
const ID_MASK: u32 = 0x3fff_ffff;

/// A function in its isolate. Dropping it ends the isolate: at once, whatever it does, unless it was
/// retired; then as soon as it has finished what it began, which its own limits bound.
pub(crate) struct V8Worker {
    commands: mpsc::UnboundedSender<Command>,
    status: Arc<Status>,
    memory: Arc<MemoryMeter>,
    terminator: v8::IsolateHandle,
    next_id: AtomicU32,
}

impl V8Worker {
    pub(crate) fn new(
        commands: mpsc::UnboundedSender<Command>,
        status: Arc<Status>,
        memory: Arc<MemoryMeter>,
        terminator: v8::IsolateHandle,
    ) -> Self {
        Self { commands, status, memory, terminator, next_id: AtomicU32::new(0) }
    }

    pub(crate) fn commands(&self) -> &mpsc::UnboundedSender<Command> {
        &self.commands
    }

    /// Zero is not an id: scripts read it as "no request".
    fn next_id(&self) -> InvocationId {
        (self.next_id.fetch_add(1, Ordering::Relaxed) % (ID_MASK - 1)) + 1
    }

    /// The isolate answers all that it has begun before it ends; what it had not begun may be sent
    /// elsewhere.
    fn gone(&self) -> Failure {
        let why = self.status.retirement().map_or("ended", Retirement::reason);
        Failure::new(FailureKind::Cancelled, format!("the isolate ended before it took the request ({why})"))
    }
}

fn stuck() -> Failure {
    let text = "an operation of the host failed in the middle of the function's script; see the host's log";
    Failure::new(FailureKind::Crashed, text)
}

impl Worker for V8Worker {
    fn invoke(
        &self,
        request: Request<Body>,
        context: Context,
    ) -> BoxFuture<'_, Result<Response<Body>, Failure>> {
        let id = self.next_id();
        let (reply, answer) = oneshot::channel();
        let arrival = Box::new(Arrival { id, request, context, reply, sent: Instant::now() });
        if self.commands.send(Command::Invoke(arrival)).is_err() {
            // Nothing of the request was seen by the function, so it may be sent elsewhere.
            let failure = Failure::new(FailureKind::Cancelled, "the isolate has ended");
            return std::future::ready(Err(failure)).boxed();
        }
        async move {
            let abandoned = Abandon { commands: &self.commands, id, armed: true };
            let answer = tokio::select! {
                biased;
                answer = answer => answer.unwrap_or_else(|_| Err(self.gone())),
                () = self.status.stuck() => Err(stuck()),
            };
            abandoned.disarm();
            answer
        }
        .boxed()
    }

    fn retirement(&self) -> Option<Retirement> {
        self.status.retirement()
    }

    fn retire(&self, reason: Retirement) {
        if self.status.retire(reason) {
            // It may have ended by itself; then there is nobody to tell.
            let _ = self.commands.send(Command::Retire(reason));
        }
    }

    fn queue_delay(&self) -> Duration {
        self.status.queue_delay()
    }

    fn memory_bytes(&self) -> u64 {
        self.memory.held()
    }
}

impl Drop for V8Worker {
    fn drop(&mut self) {
        if self.status.retirement().is_none() {
            // A script that runs right now would not notice that its commands have ended.
            self.terminator.terminate_execution();
        }
    }
}

/// Cancels the invocation when the future that waits for its answer is dropped.
struct Abandon<'a> {
    commands: &'a mpsc::UnboundedSender<Command>,
    id: InvocationId,
    armed: bool,
}

impl Abandon<'_> {
    fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        if self.armed {
            let _ = self.commands.send(Command::Cancel(self.id));
        }
    }
}
