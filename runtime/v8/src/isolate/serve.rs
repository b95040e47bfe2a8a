//! The loop of a booted isolate: take what arrived, run JavaScript, sleep.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use deno_core::{PollEventLoopOptions, v8};
use isobase_base::observe::GuestLevel;
use isobase_base::{Failure, FailureKind};
use isobase_bind_v8::Callers;
use isobase_engine::{Limits, Retirement};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Command, Isolate, Status};
use crate::guest_log::GuestLog;
use crate::invocation::{Arrival, InvocationId, Invocations};
use crate::{memory, script_error};

/// Commands taken in one turn; more wait for the next, so that answers leave in between.
const COMMANDS_PER_TURN_MAX: usize = 32;
/// CPU time of a turn after which V8's heap figures are read, which costs some microseconds.
/// Collections report them too, but a script can allocate much without one.
const HEAVY_TURN: Duration = Duration::from_millis(1);

/// Why the loop ends.
enum End {
    /// The worker was dropped; where it was retired before, nothing is left to do either.
    Asked,
    /// The isolate cannot go on.
    Broken { kind: FailureKind, retirement: Retirement, detail: String },
}

impl Isolate {
    pub(super) async fn serve(
        mut self,
        mut commands: UnboundedReceiver<Command>,
        limits: &Limits,
        status: &Status,
    ) {
        self.tell("load", "", limits);
        let end = poll_fn(|context| self.turn(context, &mut commands, limits, status)).await;
        match end {
            End::Asked => self.tell("unload", "", limits),
            End::Broken { kind, retirement, detail } => {
                status.retire(retirement);
                let culprit = self.turns.meter().culprit();
                let is_nobodys = self.with_invocations(|invocations| invocations.is_empty());
                let answered = self.with_invocations(|invocations| {
                    invocations.fail_all(|id| match culprit {
                        Some(culprit) if culprit != id => beside(kind),
                        _ => Failure::new(kind, detail.clone()),
                    })
                });
                if kind == FailureKind::Crashed {
                    // What was thrown is in the log already.
                    return;
                }
                answered.into_iter().for_each(|id| self.log_for(id, &detail));
                if is_nobodys {
                    self.log_uncaught(&detail);
                }
            }
        }
    }

    fn turn(
        &mut self,
        context: &mut Context<'_>,
        commands: &mut UnboundedReceiver<Command>,
        limits: &Limits,
        status: &Status,
    ) -> Poll<End> {
        self.turns.meter().wake_when_over(context.waker());
        // Other threads have used up the budget meanwhile: what has just arrived is not to blame.
        if let Some(end) = self.broken(limits) {
            return Poll::Ready(end);
        }
        let budget = self.budget(limits);
        let begun = self.with_invocations(|invocations| invocations.begun());
        self.turns.begin(budget);
        let taken = self.take_commands(context, commands, status);
        let ran = self.runtime.poll_event_loop(context, PollEventLoopOptions::default());
        let (sharers, served) =
            self.with_invocations(|invocations| (invocations.len(), invocations.begun() > begun));
        let used = self.turns.end(sharers);
        status.observer.cpu(used);
        self.note_left_behind(used, served || sharers > 0);
        if used >= HEAVY_TURN {
            memory::note_heap(self.runtime.v8_isolate(), &self.memory);
        }
        let shared = self.turns.shared();
        self.with_invocations(|invocations| invocations.note_usage(shared));
        if let Some(end) = self.broken(limits) {
            return Poll::Ready(end);
        }
        self.with_invocations(Invocations::no_limit_was_hit);
        if let Poll::Ready(Err(error)) = ran {
            let detail = script_error::of_core(&error);
            self.log_uncaught(&detail);
            return Poll::Ready(End::Broken {
                kind: FailureKind::Crashed,
                retirement: Retirement::Crashed,
                detail,
            });
        }
        if let Taken::Retire(reason) = taken {
            self.leave(reason, limits, status);
        }
        self.fail_over_budget(limits, status);
        self.look_ahead(context, limits, status);
        self.forget_over();
        if self.with_invocations(|all| all.is_empty() && all.begun() > 0) {
            self.keep_compiled();
            self.loader.fresh.end();
        }
        // Listeners were called since the turn's end, each in a turn of its own.
        if let Some(end) = self.broken(limits) {
            return Poll::Ready(end);
        }
        match taken {
            // Events were dispatched, or there may be more commands.
            Taken::More | Taken::Retire(_) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            // Nobody retired it, so nobody wants what it still does.
            Taken::Closed if status.retirement().is_none() => Poll::Ready(End::Asked),
            Taken::Closed if self.with_invocations(|all| all.is_empty()) => Poll::Ready(End::Asked),
            // As long as somebody holds the worker, a request may be on its way: one that got its place
            // before the retirement is served.
            Taken::All | Taken::Closed => Poll::Pending,
        }
    }

    fn take_commands(
        &mut self,
        context: &mut Context<'_>,
        commands: &mut UnboundedReceiver<Command>,
        status: &Status,
    ) -> Taken {
        for _ in 0..COMMANDS_PER_TURN_MAX {
            match commands.poll_recv(context) {
                Poll::Pending => return Taken::All,
                Poll::Ready(None) => return Taken::Closed,
                Poll::Ready(Some(Command::Invoke(arrival))) => {
                    status.note_queue_delay(arrival.sent.elapsed());
                    self.dispatch(*arrival);
                }
                Poll::Ready(Some(Command::Cancel(id))) => self.cancel(id),
                Poll::Ready(Some(Command::Retire(reason))) => return Taken::Retire(reason),
            }
        }
        Taken::More
    }

    fn dispatch(&mut self, arrival: Arrival) {
        let id = arrival.id;
        let shared = self.turns.shared();
        let hook = &self.hooks.dispatch;
        let method;
        {
            let state = self.runtime.op_state();
            let mut state = state.borrow_mut();
            method = arrival.request.method().clone();
            let context = arrival.context.clone();
            if !state.borrow_mut::<Invocations>().admit(arrival, shared) {
                return;
            }
            state.borrow_mut::<Callers>().enter(id, context);
        }
        let thrown = {
            deno_core::scope!(scope, self.runtime);
            v8::tc_scope!(let scope, scope);
            let receiver = v8::undefined(scope).into();
            let number = v8::Integer::new_from_unsigned(scope, id).into();
            let method = method.as_str().as_bytes();
            let method = v8::String::new_from_one_byte(scope, method, v8::NewStringType::Internalized);
            let method = method.unwrap_or_else(|| v8::String::empty(scope)).into();
            let called = v8::Local::new(scope, hook).call(scope, receiver, &[number, method]);
            if called.is_some() || scope.has_terminated() {
                // The turn's end notices what was terminated.
                return;
            }
            let thrown = scope.exception();
            thrown.map_or_else(String::new, |error| script_error::describe(scope, error))
        };
        // The script catches what the function throws; but a function may have changed the language under it.
        self.log_for(id, &thrown);
        let failure = Failure::new(FailureKind::Crashed, thrown);
        self.with_invocations(|all| all.answer(id, Err(failure), false));
    }

    pub(super) fn cancel(&mut self, id: InvocationId) {
        if self.with_invocations(|invocations| invocations.cancel(id)) {
            let hook = self.hooks.cancel.clone();
            self.call_with_id(&hook, id);
            self.with_invocations(|invocations| invocations.settle(id));
        }
    }

    /// Tells the bindings, and scripts that keep something for them, which invocations are over.
    fn forget_over(&mut self) {
        for (id, watched) in self.with_invocations(Invocations::take_over) {
            self.runtime.op_state().borrow_mut().borrow_mut::<Callers>().leave(id);
            if watched {
                let hook = self.hooks.forget.clone();
                self.call_with_id(&hook, id);
            }
        }
    }

    /// What answered requests left behind shares one budget until the next request is taken up: nobody else
    /// pays for it, and it would never end.
    fn note_left_behind(&mut self, used: Duration, serves: bool) {
        self.left_behind = if serves { Duration::ZERO } else { self.left_behind + used };
    }

    /// What the coming turn may use: what is left to the only invocation, a whole budget when several share
    /// the turn, and what is left of one when none is in flight.
    fn budget(&mut self, limits: &Limits) -> Duration {
        let shared = self.turns.shared();
        let left_behind = self.left_behind;
        self.with_invocations(|invocations| match invocations.len() {
            1 => {
                let used = invocations.iter().map(|(_, one)| shared - one.cpu_begin).sum();
                limits.cpu_max.saturating_sub(used).max(Duration::from_millis(1))
            }
            // A request that is about to be taken up must not suffer.
            0 if left_behind < limits.cpu_max => limits.cpu_max,
            0 => Duration::from_millis(1),
            _ => limits.cpu_max,
        })
    }

    /// Invocations whose share of all their turns is over the budget, though no single turn was.
    fn fail_over_budget(&mut self, limits: &Limits, status: &Status) {
        let shared = self.turns.shared();
        let over: Vec<InvocationId> = self.with_invocations(|invocations| {
            let over = invocations.iter().filter(|(_, one)| shared - one.cpu_begin > limits.cpu_max);
            over.map(|(id, _)| id).collect()
        });
        for id in over {
            status.retire(Retirement::CpuLimit);
            let detail = verdict_text(FailureKind::CpuLimit, limits);
            self.give_up(id, Failure::new(FailureKind::CpuLimit, detail), limits);
        }
    }

    fn broken(&self, limits: &Limits) -> Option<End> {
        if let Some((kind, retirement)) = self.verdict() {
            return Some(End::Broken { kind, retirement, detail: verdict_text(kind, limits) });
        }
        (self.left_behind > limits.cpu_max).then(|| End::Broken {
            kind: FailureKind::CpuLimit,
            retirement: Retirement::CpuLimit,
            detail: format!("{} after its last response", verdict_text(FailureKind::CpuLimit, limits)),
        })
    }

    /// Whether a limit was hit, which no script survives.
    pub(super) fn verdict(&self) -> Option<(FailureKind, Retirement)> {
        if self.memory.exceeded() {
            return Some((FailureKind::MemoryLimit, Retirement::MemoryLimit));
        }
        self.turns.meter().overran().then_some((FailureKind::CpuLimit, Retirement::CpuLimit))
    }

    fn call_with_id(&mut self, hook: &v8::Global<v8::Function>, id: InvocationId) {
        deno_core::scope!(scope, self.runtime);
        v8::tc_scope!(let scope, scope);
        let receiver = v8::undefined(scope).into();
        let number = v8::Integer::new_from_unsigned(scope, id).into();
        v8::Local::new(scope, hook).call(scope, receiver, &[number]);
    }

    fn log_uncaught(&mut self, detail: &str) {
        let state = self.runtime.op_state();
        state.borrow_mut().borrow_mut::<GuestLog>().write(None, GuestLevel::Error, detail);
    }

    /// A line of the function's log under the request it belongs to.
    pub(super) fn log_for(&mut self, id: InvocationId, text: &str) {
        let request_id = self.with_invocations(|all| all.get(id).map(|invocation| invocation.request_id));
        let state = self.runtime.op_state();
        state.borrow_mut().borrow_mut::<GuestLog>().write(request_id, GuestLevel::Error, text);
    }

    pub(super) fn with_invocations<T>(&mut self, act: impl FnOnce(&mut Invocations) -> T) -> T {
        act(self.runtime.op_state().borrow_mut().borrow_mut::<Invocations>())
    }
}

/// What [`Isolate::take_commands`] found.
enum Taken {
    All,
    /// The bound was reached; there may be more.
    More,
    /// The worker asks the isolate to end.
    Retire(Retirement),
    /// The worker is gone.
    Closed,
}

/// What an invocation is told that was in flight when another one broke the isolate.
fn beside(kind: FailureKind) -> Failure {
    let text = format!("another request to the same isolate hit its limit ({})", kind.reason());
    Failure::new(FailureKind::Cancelled, text)
}

fn verdict_text(kind: FailureKind, limits: &Limits) -> String {
    match kind {
        FailureKind::MemoryLimit => format!("more than {} MiB of memory", limits.memory_bytes_max >> 20),
        _ => format!("more than {} ms of CPU time", limits.cpu_max.as_millis()),
    }
}
