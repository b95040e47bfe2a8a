//! One target of the pool: a lock round its [`State`], and the carrying out of what is decided
//! under it.

use std::sync::{Arc, Weak};

use isobase_base::observe::{FunctionObserver, Observation, Observer};
use isobase_base::{Access, Failure, Target};
use isobase_engine::{Absent, Function, FunctionVersion, Publication, Retirement};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::PoolConfig;
use crate::boot;
use crate::decisions::{FailedBoot, News, Orders, State, Wait};
use crate::pool::Host;
use crate::running::Clocked;
use crate::seats::Booted;

pub(crate) struct Lane {
    pub(crate) target: Target,
    /// Weak, since the host holds the lanes.
    pub(crate) host: Weak<Host>,
    pub(crate) observer: Observer,
    /// Of this function alone: an invocation touches nothing that others count on.
    pub(crate) function: FunctionObserver,
    pub(crate) config: Arc<PoolConfig>,
    state: Mutex<State>,
    /// Streaming responses and upgraded connections, for clocks that run out while the client does
    /// nothing.
    pub(crate) running: Mutex<Vec<Weak<dyn Clocked>>>,
}

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

/// Figures of one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneStatus {
    pub target: Target,
    /// `None` when the source is broken, or built for the first time.
    pub version: Option<FunctionVersion>,
    pub workers: usize,
    pub booting: usize,
    pub waiting: usize,
    pub in_flight: usize,
    pub memory_bytes: u64,
}

impl Lane {
    pub(crate) fn new(host: &Arc<Host>, publication: Publication) -> Arc<Self> {
        Arc::new(Self {
            function: host.observer.function(&publication.target),
            host: Arc::downgrade(host),
            observer: host.observer.clone(),
            config: host.config_of(&publication.target),
            target: publication.target,
            state: Mutex::new(State::new(publication.access, publication.function)),
            running: Mutex::default(),
        })
    }

    pub(crate) fn access(&self) -> Access {
        self.state.lock().access
    }

    /// What runs here now, if anything.
    pub(crate) fn version(&self) -> Option<FunctionVersion> {
        self.state.lock().source.as_ref().ok().map(|function| function.version)
    }

    /// A place now, a place in the queue, or a refusal.
    pub(crate) fn admit(self: &Arc<Self>) -> Admission {
        let mut orders = Orders::default();
        let mut state = self.state.lock();
        if let Err(Absent::Broken(failure)) = &state.source {
            return Admission::Refused(failure.clone());
        }
        let admission = match state.take(&mut orders) {
            Some(booted) => {
                state.scale(&booted, &self.config, &mut orders);
                Admission::Now(Place { lane: Arc::clone(self), booted })
            }
            None => match state.enqueue(&self.config, &mut orders) {
                Ok((place, wait)) => Admission::Later { place, wait },
                Err(failure) => Admission::Refused(failure),
            },
        };
        drop(state);
        self.carry_out(orders);
        admission
    }

    /// Called by a place that goes away.
    fn give_back(self: &Arc<Self>, booted: &Arc<Booted>) {
        let mut orders = Orders::default();
        let mut state = self.state.lock();
        if state.give_back(booted, &mut orders) {
            state.settle(&self.config, &mut orders);
        }
        drop(state);
        self.carry_out(orders);
    }

    /// Takes a new version, or the failure that stands for it.
    pub(crate) fn replace(self: &Arc<Self>, publication: Publication) {
        self.change(Some(publication.access), publication.function, Retirement::Replaced);
    }

    /// No request from now on: each is answered with `failure`.
    pub(crate) fn close(self: &Arc<Self>, failure: Failure, reason: Retirement) {
        self.change(None, Err(failure.into()), reason);
    }

    fn change(
        self: &Arc<Self>,
        access: Option<Access>,
        source: Result<Arc<Function>, Absent>,
        reason: Retirement,
    ) {
        self.decide(|state, orders| {
            state.access = access.unwrap_or(state.access);
            state.change(source, reason, &self.config, orders);
        });
    }

    pub(crate) fn warm(self: &Arc<Self>) {
        self.decide(State::warm);
    }

    /// The end of a boot of `generation`.
    pub(crate) fn booted(self: &Arc<Self>, generation: u64, outcome: Result<Arc<Booted>, FailedBoot>) {
        let mut news = News::None;
        self.decide(|state, orders| news = state.booted(generation, outcome, &self.config, orders));
        let version = self.version().map_or(0, |version| version.0);
        match news {
            News::None => {}
            News::DoesNotStart(detail) => self.function.boot_failed(version, &detail),
            News::StartsAgain => self.function.boots_again(version),
        }
    }

    /// Takes out workers idle since before `idle_before`, and retired ones, and gives waiters another look.
    pub(crate) fn sweep(self: &Arc<Self>, idle_before: Option<Instant>) {
        self.decide(|state, orders| state.sweep(idle_before, Retirement::Idle, &self.config, orders));
    }

    /// The same, where something else than their idleness is the reason.
    pub(crate) fn retire_idle(self: &Arc<Self>, since: Instant, reason: Retirement) {
        self.decide(|state, orders| state.sweep(Some(since), reason, &self.config, orders));
    }

    /// Workers that nobody uses: since when, and the memory each holds.
    pub(crate) fn idle(&self) -> Vec<(Instant, u64)> {
        self.state.lock().seats.idle().collect()
    }

    /// Since when the one that is idle longest is.
    pub(crate) fn idle_longest(&self) -> Option<Instant> {
        self.state.lock().seats.idle().map(|(since, _)| since).min()
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.state.lock().seats.memory_bytes()
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
            waiting: state.waiting(),
            in_flight: state.in_flight,
            memory_bytes: state.seats.memory_bytes(),
        }
    }

    fn decide(self: &Arc<Self>, decision: impl FnOnce(&mut State, &mut Orders)) {
        let mut orders = Orders::default();
        decision(&mut self.state.lock(), &mut orders);
        self.carry_out(orders);
    }

    /// Does what was decided, after the lock is gone. Usually nothing.
    fn carry_out(self: &Arc<Self>, orders: Orders) {
        for (booted, reason) in orders.leaving {
            self.observer.record(Observation::WorkerRetired { reason: reason.reason() });
            self.function.retired(reason.reason());
            booted.worker.retire(reason);
        }
        for (waiter, booted) in orders.handed {
            // A waiter that gave up meanwhile drops the place, which gives it back.
            let _ = waiter.send(Ok(Place { lane: Arc::clone(self), booted }));
        }
        for (waiter, failure) in orders.failed {
            let _ = waiter.send(Err(failure));
        }
        if let Some((function, current)) = orders.function.zip(orders.current) {
            for _ in 0..orders.boots {
                boot::start(self, Arc::clone(&function), orders.generation, current.clone());
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lane.give_back(&self.booted);
    }
}
