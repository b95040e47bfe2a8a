//! One target: its current publication, its workers and who waits for them. All decisions about
//! admission are made here, under one short lock per function.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use isobase_base::observe::{Observation, Observer};
use isobase_base::{Access, Failure, FailureKind, Target};
use isobase_engine::{Function, FunctionVersion, Publication, Retirement};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::PoolConfig;
use crate::boot;
use crate::held::Stalled;
use crate::pool::Host;
use crate::seats::{Booted, Leaving, Seats};

pub(crate) struct Lane {
    pub(crate) target: Target,
    /// Weak, since the host holds the lanes.
    pub(crate) host: Weak<Host>,
    pub(crate) observer: Observer,
    pub(crate) config: Arc<PoolConfig>,
    state: Mutex<State>,
    /// Streaming responses, for clocks that run out while the client does not read.
    pub(crate) streams: Mutex<Vec<Weak<Stalled>>>,
}

struct State {
    access: Access,
    source: Result<Arc<Function>, Failure>,
    /// Counts publications: a boot that began before the current one is worth nothing.
    generation: u64,
    seats: Seats,
    /// Boots under way for the current generation.
    boots: usize,
    boot_failure: Option<BootFailure>,
    waiters: VecDeque<Waiter>,
    /// Invocations that hold a place, those on old versions included.
    in_flight: usize,
}

struct BootFailure {
    failure: Failure,
    /// `None`: not before the next publication.
    retry_at: Option<Instant>,
}

/// A boot that gave no worker.
pub(crate) struct FailedBoot {
    pub(crate) failure: Failure,
    pub(crate) retry: Retry,
}

/// When to boot again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// The fault is in the function: the same code fails the same way.
    AfterPublication,
    /// The fault may be the host's or the machine's.
    Soon,
}

type Waiter = oneshot::Sender<Result<Place, Failure>>;

/// The right to call a worker once. Gives itself back when dropped.
pub(crate) struct Place {
    pub(crate) lane: Arc<Lane>,
    pub(crate) booted: Arc<Booted>,
}

/// The answer to who wants in.
pub(crate) enum Admission {
    Now(Place),
    Later { place: oneshot::Receiver<Result<Place, Failure>>, wait: Wait },
    Refused(Failure),
}

/// What a waiter waits for, which decides how long it may.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Workers are busy.
    Worker,
    /// There is none yet.
    FirstBoot,
}

/// Figures of one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneStatus {
    pub target: Target,
    /// `None` when the source is broken.
    pub version: Option<FunctionVersion>,
    pub workers: usize,
    pub booting: usize,
    pub waiting: usize,
    pub in_flight: usize,
    pub memory_bytes: u64,
}

/// What a locked section decided and must do after the lock is gone: engines' code and other
/// lanes are never called into under it.
#[derive(Default)]
struct Afterwards {
    leaving: Vec<Leaving>,
    handed: Vec<(Waiter, Arc<Booted>)>,
    failed: Vec<(Waiter, Failure)>,
    boots: usize,
    generation: u64,
    function: Option<Arc<Function>>,
}

impl Lane {
    pub(crate) fn new(host: &Arc<Host>, publication: Publication) -> Arc<Self> {
        Arc::new(Self {
            target: publication.target,
            host: Arc::downgrade(host),
            observer: host.observer.clone(),
            config: Arc::clone(&host.config),
            state: Mutex::new(State {
                access: publication.access,
                source: publication.function,
                generation: 0,
                seats: Seats::default(),
                boots: 0,
                boot_failure: None,
                waiters: VecDeque::new(),
                in_flight: 0,
            }),
            streams: Mutex::default(),
        })
    }

    pub(crate) fn access(&self) -> Access {
        self.state.lock().access
    }

    /// A place now, a place in the queue, or a refusal.
    pub(crate) fn admit(self: &Arc<Self>) -> Admission {
        let mut after = Afterwards::default();
        let mut state = self.state.lock();
        if let Err(failure) = &state.source {
            return Admission::Refused(failure.clone());
        }
        let booted = state.seats.take(&mut after.leaving);
        if let Some(booted) = booted {
            state.in_flight += 1;
            drop(state);
            if !after.leaving.is_empty() {
                self.finish(after);
            }
            return Admission::Now(Place { lane: Arc::clone(self), booted });
        }
        let admission = self.enqueue(&mut state, &mut after);
        drop(state);
        self.finish(after);
        admission
    }

    fn enqueue(&self, state: &mut State, after: &mut Afterwards) -> Admission {
        state.forget_old_failure();
        if let (Some(failed), true, 0) = (&state.boot_failure, state.seats.is_empty(), state.boots) {
            return Admission::Refused(failed.failure.clone());
        }
        let bound = self.config.waiters_per_function_max;
        if state.waiters.len() >= bound {
            state.waiters.retain(|waiter| !waiter.is_closed());
        }
        if state.waiters.len() >= bound {
            let detail = format!("{bound} requests already wait for a worker");
            return Admission::Refused(Failure::new(FailureKind::Overloaded, detail));
        }
        let wait = if state.seats.is_empty() { Wait::FirstBoot } else { Wait::Worker };
        let (waiter, place) = oneshot::channel();
        state.waiters.push_back(waiter);
        self.order_boots(state, after);
        Admission::Later { place, wait }
    }

    /// Called by a place that goes away.
    fn give_back(self: &Arc<Self>, booted: &Arc<Booted>) {
        let mut after = Afterwards::default();
        let mut state = self.state.lock();
        state.in_flight -= 1;
        state.seats.give_back(booted, Instant::now(), &mut after.leaving);
        let quiet = state.waiters.is_empty() && after.leaving.is_empty();
        if !quiet {
            self.settle(&mut state, &mut after);
        }
        drop(state);
        if !quiet {
            self.finish(after);
        }
    }

    /// Takes a new version, or the failure that stands for it.
    pub(crate) fn replace(self: &Arc<Self>, publication: Publication) {
        self.change(publication.access, publication.function, Retirement::Replaced);
    }

    /// No request from now on: each is answered with `failure`.
    pub(crate) fn close(self: &Arc<Self>, failure: Failure, reason: Retirement) {
        let access = self.access();
        self.change(access, Err(failure), reason);
    }

    fn change(self: &Arc<Self>, access: Access, source: Result<Arc<Function>, Failure>, reason: Retirement) {
        let mut after = Afterwards::default();
        let mut state = self.state.lock();
        let was_in_use = !state.seats.is_empty() || state.boots > 0;
        state.generation += 1;
        state.boots = 0;
        state.boot_failure = None;
        state.access = access;
        state.source = source;
        state.seats.leave(reason, &mut after.leaving);
        match &state.source {
            Ok(_) if was_in_use => self.order_boot(&mut state, &mut after),
            Ok(_) => {}
            Err(failure) => {
                let failure = failure.clone();
                state.fail_waiters(&failure, &mut after);
            }
        }
        self.order_boots(&mut state, &mut after);
        drop(state);
        self.finish(after);
    }

    /// Boots a worker unless there is one or one is coming.
    pub(crate) fn warm(self: &Arc<Self>) {
        let mut after = Afterwards::default();
        let mut state = self.state.lock();
        if state.seats.is_empty() && state.boots == 0 && state.source.is_ok() {
            self.order_boot(&mut state, &mut after);
        }
        drop(state);
        self.finish(after);
    }

    /// The end of a boot of `generation`.
    pub(crate) fn booted(self: &Arc<Self>, generation: u64, outcome: Result<Arc<Booted>, FailedBoot>) {
        let mut after = Afterwards::default();
        let mut state = self.state.lock();
        if state.generation == generation {
            state.boots -= 1;
            match outcome {
                Ok(booted) => {
                    state.boot_failure = None;
                    state.seats.add(booted);
                }
                Err(failed) => self.boot_failed(&mut state, failed, &mut after),
            }
            self.settle(&mut state, &mut after);
        } else if let Ok(booted) = outcome {
            after.leaving.push((booted, Retirement::Replaced));
        }
        drop(state);
        self.finish(after);
    }

    fn boot_failed(&self, state: &mut State, failed: FailedBoot, after: &mut Afterwards) {
        let FailedBoot { failure, retry } = failed;
        let retry_at = (retry == Retry::Soon).then(|| Instant::now() + self.config.boot_retry_after);
        if state.seats.is_empty() && state.boots == 0 {
            state.fail_waiters(&failure, after);
        }
        state.boot_failure = Some(BootFailure { failure, retry_at });
    }

    /// Housekeeping: takes out idle and retired workers and gives waiters another look.
    pub(crate) fn sweep(self: &Arc<Self>, idle_before: Option<Instant>) {
        let mut after = Afterwards::default();
        let mut state = self.state.lock();
        state.waiters.retain(|waiter| !waiter.is_closed());
        state.seats.sweep(idle_before, &mut after.leaving);
        self.settle(&mut state, &mut after);
        drop(state);
        self.finish(after);
    }

    pub(crate) fn idle_longest(&self) -> Option<Instant> {
        self.state.lock().seats.idle_longest()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.state.lock().in_flight
    }

    pub(crate) fn status(&self) -> LaneStatus {
        let state = self.state.lock();
        LaneStatus {
            target: self.target.clone(),
            version: state.source.as_ref().ok().map(|function| function.version),
            workers: state.seats.len(),
            booting: state.boots,
            waiting: state.waiters.len(),
            in_flight: state.in_flight,
            memory_bytes: state.seats.memory_bytes(),
        }
    }

    /// Hands free places to waiters in their order and boots for those who remain.
    fn settle(&self, state: &mut State, after: &mut Afterwards) {
        while let Some(waiter) = state.waiters.pop_front() {
            if waiter.is_closed() {
                continue;
            }
            match state.seats.take(&mut after.leaving) {
                Some(booted) => {
                    state.in_flight += 1;
                    after.handed.push((waiter, booted));
                }
                None => {
                    state.waiters.push_front(waiter);
                    break;
                }
            }
        }
        self.order_boots(state, after);
    }

    /// As many boots as the waiters need and the bound allows.
    fn order_boots(&self, state: &mut State, after: &mut Afterwards) {
        state.forget_old_failure();
        let Ok(function) = &state.source else { return };
        if state.waiters.is_empty() {
            return;
        }
        if let Some(failed) = &state.boot_failure {
            if state.seats.is_empty() && state.boots == 0 {
                let failure = failed.failure.clone();
                state.fail_waiters(&failure, after);
            }
            return;
        }
        let per_worker = function.limits.concurrency_max.max(1);
        let needed = state.waiters.len().div_ceil(per_worker);
        let room = self.config.workers_per_function_max.max(1).saturating_sub(state.seats.len());
        for _ in state.boots..needed.min(room) {
            self.order_boot(state, after);
        }
    }

    fn order_boot(&self, state: &mut State, after: &mut Afterwards) {
        if let Ok(function) = &state.source {
            after.function = Some(Arc::clone(function));
            after.generation = state.generation;
            after.boots += 1;
            state.boots += 1;
        }
    }

    /// Does what was decided under the lock.
    fn finish(self: &Arc<Self>, after: Afterwards) {
        for (booted, reason) in after.leaving {
            self.observer
                .record(Observation::WorkerRetired { target: &self.target, reason: reason.reason() });
            booted.worker.retire(reason);
        }
        for (waiter, booted) in after.handed {
            // A waiter that gave up meanwhile drops the place, which gives it back.
            let _ = waiter.send(Ok(Place { lane: Arc::clone(self), booted }));
        }
        for (waiter, failure) in after.failed {
            let _ = waiter.send(Err(failure));
        }
        if let Some(function) = after.function {
            for _ in 0..after.boots {
                boot::start(self, Arc::clone(&function), after.generation);
            }
        }
    }
}

impl State {
    fn fail_waiters(&mut self, failure: &Failure, after: &mut Afterwards) {
        after.failed.extend(self.waiters.drain(..).map(|waiter| (waiter, failure.clone())));
    }

    fn forget_old_failure(&mut self) {
        let over = |failed: &BootFailure| failed.retry_at.is_some_and(|at| at <= Instant::now());
        if self.boot_failure.as_ref().is_some_and(over) {
            self.boot_failure = None;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lane.give_back(&self.booted);
    }
}
