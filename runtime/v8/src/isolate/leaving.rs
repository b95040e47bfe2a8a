//! The end of an isolate's life in good order: near a limit, or told to go, it takes no more requests,
//! tells its function so while there is time, and finishes what it began within the limits.
//!
//! A script that never lets go of the thread cannot be told anything: it is ended at its limit.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use deno_core::v8;
use isobase_base::limits::{FUNCTION_SOFT_LIMIT_PERCENT, V8_FORCED_COLLECTION_INTERVAL};
use isobase_base::{Failure, FailureKind};
use isobase_engine::{Limits, Retirement};
use tokio::time::Sleep;

use super::{Isolate, Status};
use crate::invocation::{InvocationId, Invocations};
use crate::memory;

/// What an isolate knows of its own end.
#[derive(Default)]
pub(super) struct Leaving {
    /// The function was told that it gets no more requests.
    told: bool,
    /// Set for the wall clock of the oldest invocation when it was set; never later than needed.
    clock: Option<Pin<Box<Sleep>>>,
    collected: Option<Instant>,
}

impl Isolate {
    /// Takes no more requests, and tells the function, once: `beforeunload`, then `drain`.
    pub(super) fn leave(&mut self, reason: Retirement, limits: &Limits, status: &Status) {
        status.retire(reason);
        if !std::mem::replace(&mut self.leaving.told, true) {
            self.tell("beforeunload", unload_reason(reason), limits);
            self.tell("drain", "", limits);
        }
    }

    /// Dispatches an event of the isolate's life in a turn of its own: a listener may run away.
    pub(super) fn tell(&mut self, name: &str, reason: &str, limits: &Limits) {
        self.turns.begin(limits.cpu_max);
        self.lifecycle(name, reason);
        let sharers = self.with_invocations(|all| all.len());
        self.turns.end(sharers);
    }

    fn lifecycle(&mut self, name: &str, reason: &str) {
        let hook = self.hooks.lifecycle.clone();
        deno_core::scope!(scope, self.runtime);
        v8::tc_scope!(let scope, scope);
        let text =
            |text: &str| v8::String::new(scope, text).unwrap_or_else(|| v8::String::empty(scope)).into();
        let arguments = [name, reason].map(text);
        let receiver = v8::undefined(scope).into();
        // A listener that throws has been reported to the function's log already.
        v8::Local::new(scope, hook).call(scope, receiver, &arguments);
    }

    /// After a turn: leaves if a limit is near.
    pub(super) fn look_ahead(&mut self, context: &mut Context<'_>, limits: &Limits, status: &Status) {
        let told = self.leaving.told;
        self.look_at_clock(context, limits, status);
        if !self.leaving.told {
            if self.near_cpu_limit(limits) {
                self.leave(Retirement::CpuLimit, limits, status);
            } else if self.near_memory_limit(limits) {
                self.leave(Retirement::MemoryLimit, limits, status);
            }
        }
        if self.leaving.told != told {
            // What the listeners began wants another turn.
            context.waker().wake_by_ref();
        }
    }

    fn near_cpu_limit(&mut self, limits: &Limits) -> bool {
        let shared = self.turns.shared();
        let soft = soft(limits.cpu_max);
        self.with_invocations(|all| all.iter().any(|(_, one)| shared.saturating_sub(one.cpu_begin) >= soft))
    }

    /// The heap's figure has garbage in it: near the limit it is collected before anything is concluded.
    fn near_memory_limit(&mut self, limits: &Limits) -> bool {
        let soft = limits.memory_bytes_max / 100 * u64::from(FUNCTION_SOFT_LIMIT_PERCENT);
        if self.memory.held() < soft {
            return false;
        }
        if self.leaving.collected.is_some_and(|last| last.elapsed() < V8_FORCED_COLLECTION_INTERVAL) {
            return false;
        }
        self.leaving.collected = Some(Instant::now());
        self.runtime.v8_isolate().low_memory_notification();
        memory::note_heap(self.runtime.v8_isolate(), &self.memory);
        self.memory.held() >= soft
    }

    /// The pool bounds responses by the wall clock; what follows them only the isolate sees.
    fn look_at_clock(&mut self, context: &mut Context<'_>, limits: &Limits, status: &Status) {
        loop {
            if self.leaving.clock.is_none() {
                let Some(next) = self.next_alarm(limits) else { return };
                self.leaving.clock = Some(Box::pin(tokio::time::sleep_until(next.into())));
            }
            let clock = self.leaving.clock.as_mut().expect("set above");
            if clock.as_mut().poll(context) == Poll::Pending {
                return;
            }
            self.leaving.clock = None;
            self.enforce_clock(limits, status);
        }
    }

    /// When the first of all invocations is near the end of its time, or there.
    fn next_alarm(&mut self, limits: &Limits) -> Option<Instant> {
        let wall_clock = if self.leaving.told { limits.wall_clock_max } else { soft(limits.wall_clock_max) };
        self.with_invocations(|all| all.iter().map(|(_, one)| one.began + wall_clock).min())
    }

    fn enforce_clock(&mut self, limits: &Limits, status: &Status) {
        let now = Instant::now();
        let older_than = |all: &mut Invocations, age: Duration| -> Vec<InvocationId> {
            let old = all.iter().filter(|(_, one)| now.duration_since(one.began) >= age);
            old.map(|(id, _)| id).collect()
        };
        let near = self.with_invocations(|all| older_than(all, soft(limits.wall_clock_max)));
        if !near.is_empty() {
            self.leave(Retirement::WallClockLimit, limits, status);
        }
        for id in self.with_invocations(|all| older_than(all, limits.wall_clock_max)) {
            let detail = format!("the invocation ran longer than {:?}", limits.wall_clock_max);
            self.give_up(id, Failure::new(FailureKind::WallClockLimit, detail), limits);
        }
    }

    /// Ends an invocation that is over a limit, whatever it still does. Its listeners are told in a turn of
    /// their own: one of them may run away.
    pub(super) fn give_up(&mut self, id: InvocationId, failure: Failure, limits: &Limits) {
        let detail = failure.detail.clone();
        if !self.with_invocations(|all| all.answer(id, Err(failure), false)) {
            // Its response has left or is on its way, so that nobody else would know.
            self.log_for(id, &detail);
            self.turns.begin(limits.cpu_max);
            self.cancel(id);
            let sharers = self.with_invocations(|all| all.len());
            self.turns.end(sharers);
        }
        self.with_invocations(|all| all.give_up(id));
    }
}

fn soft(limit: Duration) -> Duration {
    limit / 100 * FUNCTION_SOFT_LIMIT_PERCENT
}

/// `detail.reason` of the `beforeunload` event, in Supabase's words.
fn unload_reason(retirement: Retirement) -> &'static str {
    match retirement {
        Retirement::Replaced | Retirement::Shutdown | Retirement::Crashed => "termination",
        Retirement::Idle | Retirement::MemoryPressure => "early_drop",
        Retirement::CpuLimit => "cpu",
        Retirement::MemoryLimit => "memory",
        Retirement::WallClockLimit => "wall_clock",
    }
}
