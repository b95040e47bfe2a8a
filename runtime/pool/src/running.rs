//! What keeps its invocation's place beyond the head of the response: a streaming body, an upgraded
//! connection. The client drives it, and housekeeping breaks it off when the client does not.

use std::sync::{Arc, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use isobase_base::FailureKind;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::invocation::{Invocation, wall_clock_over};

/// `T` and the invocation that lasts as long.
pub(crate) struct Running<T> {
    pub(crate) end: Instant,
    /// The wall clock limit that `end` comes from.
    bound: Duration,
    pub(crate) state: Mutex<State<T>>,
}

pub(crate) enum State<T> {
    Running {
        inner: T,
        invocation: Invocation,
        wakers: Wakers,
    },
    /// By us; the client is told once.
    BrokenOff {
        why: String,
    },
    Done,
}

/// Who waits, to be told when it is broken off: a reader and a writer.
#[derive(Default)]
pub(crate) struct Wakers([Option<Waker>; 2]);

#[derive(Clone, Copy)]
pub(crate) enum Waits {
    ToRead = 0,
    ToWrite = 1,
}

/// Any [`Running`], for clocks.
pub(crate) trait Clocked: Send + Sync {
    /// Breaks it off if its time is over. Whether it still runs.
    fn enforce(&self, now: Instant) -> bool;

    /// Ends the invocation; the client reads an error where the next bytes would have been.
    fn break_off(&self, kind: FailureKind, why: &str);
}

impl<T: Send + 'static> Running<T> {
    /// From now on housekeeping looks after it.
    pub(crate) fn start(inner: T, invocation: Invocation) -> Arc<Self> {
        let lane = Arc::clone(invocation.lane());
        let (end, bound) = invocation.wall_clock();
        let state = Mutex::new(State::Running { inner, invocation, wakers: Wakers::default() });
        let running = Arc::new(Self { end, bound, state });
        let clocked: Weak<Self> = Arc::downgrade(&running);
        lane.running.lock().push(clocked);
        running
    }

    /// Ends the invocation as `failure` says, unless it has ended already.
    pub(crate) fn finish(&self, failure: Option<(FailureKind, &str)>) {
        self.leave(State::Done, failure);
    }

    fn leave(&self, after: State<T>, failure: Option<(FailureKind, &str)>) {
        let mut state = self.state.lock();
        if !matches!(*state, State::Running { .. }) {
            return;
        }
        let before = std::mem::replace(&mut *state, after);
        // What is held may run code when dropped: not under the lock.
        drop(state);
        if let State::Running { inner, mut invocation, wakers } = before {
            invocation.end(failure);
            drop(inner);
            drop(invocation);
            wakers.0.into_iter().flatten().for_each(Waker::wake);
        }
    }
}

impl<T: Send + 'static> Clocked for Running<T> {
    fn enforce(&self, now: Instant) -> bool {
        if now >= self.end {
            let failure = wall_clock_over(self.bound);
            self.break_off(failure.kind, &failure.detail);
        }
        matches!(*self.state.lock(), State::Running { .. })
    }

    fn break_off(&self, kind: FailureKind, why: &str) {
        self.leave(State::BrokenOff { why: why.to_owned() }, Some((kind, why)));
    }
}

impl Wakers {
    pub(crate) fn keep(&mut self, waits: Waits, context: &Context<'_>) {
        let waker = &mut self.0[waits as usize];
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            *waker = Some(context.waker().clone());
        }
    }
}
