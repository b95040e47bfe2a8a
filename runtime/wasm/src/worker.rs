//! A function that answers requests.

use std::sync::Arc;

use futures::future::BoxFuture;
use http::{Request, Response};
use isobase_base::{Body, Context, Failure};
use isobase_engine::{Retirement, Reuse, Worker};
use parking_lot::Mutex;

use crate::instance::{Instance, Program};
use crate::invocation::Invocation;

/// The function and the instances that wait for a request.
pub(crate) struct Workshop {
    pub(crate) program: Program,
    reuse: Reuse,
    state: Mutex<State>,
}

struct State {
    /// The one used last is used next: its memory is warm.
    idle: Vec<Instance>,
    retirement: Option<Retirement>,
}

impl Workshop {
    /// `first` is the instance that showed that the function boots.
    pub(crate) fn new(program: Program, reuse: Reuse, first: Instance) -> Self {
        let idle = if reuse == Reuse::Sequential { vec![first] } else { Vec::new() };
        Self { program, reuse, state: Mutex::new(State { idle, retirement: None }) }
    }

    pub(crate) fn take_idle(&self) -> Option<Instance> {
        match self.reuse {
            Reuse::Fresh => None,
            Reuse::Sequential => self.state.lock().idle.pop(),
        }
    }

    pub(crate) fn keeps_instances(&self) -> bool {
        self.reuse == Reuse::Sequential
    }

    /// Takes an instance back that may serve again. The pool bounds the invocations at once, and
    /// with them the instances.
    pub(crate) fn give_back(&self, instance: Instance) {
        let mut state = self.state.lock();
        let wanted =
            state.retirement.is_none() && state.idle.len() < self.program.function.limits.concurrency_max;
        if wanted {
            state.idle.push(instance);
        }
    }
}

/// The worker of one function version. It holds code and idle instances; a crash concerns only the
/// instance it happened in, so the worker itself never goes bad.
pub(crate) struct WasmWorker {
    workshop: Arc<Workshop>,
}

impl WasmWorker {
    pub(crate) fn new(workshop: Workshop) -> Self {
        Self { workshop: Arc::new(workshop) }
    }
}

impl Worker for WasmWorker {
    fn invoke(
        &self,
        request: Request<Body>,
        context: Context,
    ) -> BoxFuture<'_, Result<Response<Body>, Failure>> {
        Box::pin(Invocation::begin(Arc::clone(&self.workshop), request, context).head())
    }

    fn retirement(&self) -> Option<Retirement> {
        self.workshop.state.lock().retirement
    }

    fn retire(&self, reason: Retirement) {
        let mut state = self.workshop.state.lock();
        state.retirement.get_or_insert(reason);
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        drop(idle);
    }

    fn memory_bytes(&self) -> u64 {
        self.workshop.program.memory.bytes()
    }
}
