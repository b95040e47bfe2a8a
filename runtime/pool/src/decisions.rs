//! The state of one function and every decision about it: who gets a place, who waits, when to
//! boot. Pure data under the lane's lock; what must happen outside of the lock is returned as
//! [`Orders`].

use std::collections::VecDeque;
use std::sync::Arc;

use isobase_base::{Access, Failure, FailureKind};
use isobase_engine::{Absent, Function, Retirement};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::PoolConfig;
use crate::lane::Place;
use crate::seats::{Booted, Leaving, Seats};

pub(crate) struct State {
    pub(crate) access: Access,
    pub(crate) source: Result<Arc<Function>, Absent>,
    /// Counts publications: a boot that began before the current one is worth nothing.
    generation: u64,
    /// Goes with its generation, which tells boots that they are not wanted any more.
    current: watch::Sender<()>,
    pub(crate) seats: Seats,
    /// Boots under way for the current generation.
    pub(crate) boots: usize,
    boot_failure: Option<BootFailure>,
    /// Whether the last boot that ended, of whatever version, failed.
    did_not_start: bool,
    waiters: VecDeque<Waiter>,
    /// Invocations that hold a place, those on old versions included.
    pub(crate) in_flight: usize,
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

/// What the end of a boot means for whoever saved the function.
pub(crate) enum News {
    None,
    DoesNotStart(String),
    StartsAgain,
}

pub(crate) type Waiter = oneshot::Sender<Result<Place, Failure>>;

/// What a waiter waits for, which decides how long it may.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Workers are busy.
    Worker,
    /// There is none yet.
    FirstBoot,
    /// There is nothing to boot yet.
    FirstBuild,
}

/// A place in the queue.
pub(crate) type Queued = (oneshot::Receiver<Result<Place, Failure>>, Wait);

/// What was decided and must be done after the lock is gone: engines' code and other lanes are
/// never called into under it.
#[derive(Default)]
pub(crate) struct Orders {
    pub(crate) leaving: Vec<Leaving>,
    pub(crate) handed: Vec<(Waiter, Arc<Booted>)>,
    pub(crate) failed: Vec<(Waiter, Failure)>,
    /// So many boots of this function, for this generation.
    pub(crate) boots: usize,
    pub(crate) function: Option<Arc<Function>>,
    pub(crate) generation: u64,
    /// Closed when that is no longer the current one.
    pub(crate) current: Option<watch::Receiver<()>>,
}

impl State {
    pub(crate) fn new(access: Access, source: Result<Arc<Function>, Absent>) -> Self {
        Self {
            access,
            source,
            generation: 0,
            current: watch::Sender::new(()),
            seats: Seats::default(),
            boots: 0,
            boot_failure: None,
            did_not_start: false,
            waiters: VecDeque::new(),
            in_flight: 0,
        }
    }

    /// A place in a worker, if one is free at once.
    pub(crate) fn take(&mut self, orders: &mut Orders) -> Option<Arc<Booted>> {
        let booted = self.seats.take(&mut orders.leaving)?;
        self.in_flight += 1;
        Some(booted)
    }

    /// Another worker where even the least loaded one, who was just chosen, makes its requests wait.
    pub(crate) fn scale(&mut self, chosen: &Booted, config: &PoolConfig, orders: &mut Orders) {
        let is_busy = chosen.worker.queue_delay() > config.scale_delay;
        let has_room = self.seats.len() + self.boots < config.workers_per_function_max;
        // One at a time: what the next one changes is seen first.
        if is_busy && has_room && self.boots == 0 && self.boot_failure.is_none() {
            self.order_boot(orders);
        }
    }

    /// A place in the queue for who found no place, unless waiting is hopeless or the queue full.
    pub(crate) fn enqueue(&mut self, config: &PoolConfig, orders: &mut Orders) -> Result<Queued, Failure> {
        self.forget_old_failure();
        if let (Some(failed), true, 0) = (&self.boot_failure, self.seats.is_empty(), self.boots) {
            return Err(failed.failure.clone());
        }
        let bound = config.waiters_per_function_max;
        if self.waiters.len() >= bound {
            self.waiters.retain(|waiter| !waiter.is_closed());
        }
        if self.waiters.len() >= bound {
            let detail = format!("{bound} requests already wait for a worker");
            return Err(Failure::new(FailureKind::Overloaded, detail));
        }
        let wait = match &self.source {
            Err(_) => Wait::FirstBuild,
            Ok(_) if self.seats.is_empty() => Wait::FirstBoot,
            Ok(_) => Wait::Worker,
        };
        let (waiter, place) = oneshot::channel();
        self.waiters.push_back(waiter);
        self.order_boots(config, orders);
        Ok((place, wait))
    }

    /// An invocation ended. Whether that changes anything for others.
    pub(crate) fn give_back(&mut self, booted: &Arc<Booted>, orders: &mut Orders) -> bool {
        self.in_flight -= 1;
        self.seats.give_back(booted, Instant::now(), &mut orders.leaving);
        !self.waiters.is_empty() || !orders.leaving.is_empty()
    }

    /// Another version, or the failure that stands for it, from now on.
    pub(crate) fn change(
        &mut self,
        source: Result<Arc<Function>, Absent>,
        reason: Retirement,
        config: &PoolConfig,
        orders: &mut Orders,
    ) {
        // What did not build or start is tried at once: whoever mends it waits to see.
        let was_broken = self.did_not_start || matches!(self.source, Err(Absent::Broken(_)));
        let was_in_use = !self.seats.is_empty() || self.boots > 0 || was_broken;
        self.generation += 1;
        self.current = watch::Sender::new(());
        self.boots = 0;
        self.boot_failure = None;
        self.source = source;
        self.seats.leave(reason, &mut orders.leaving);
        match &self.source {
            Ok(_) if was_in_use => self.order_boot(orders),
            Ok(_) | Err(Absent::Building) => {}
            Err(Absent::Broken(failure)) => {
                let failure = failure.clone();
                self.fail_waiters(&failure, orders);
            }
        }
        self.order_boots(config, orders);
    }

    /// Boots a worker unless there is one or one is coming.
    pub(crate) fn warm(&mut self, orders: &mut Orders) {
        if self.seats.is_empty() && self.boots == 0 {
            self.order_boot(orders);
        }
    }

    /// The end of a boot of `generation`, and whether somebody should hear of it.
    pub(crate) fn booted(
        &mut self,
        generation: u64,
        outcome: Result<Arc<Booted>, FailedBoot>,
        config: &PoolConfig,
        orders: &mut Orders,
    ) -> News {
        if self.generation != generation {
            orders.leaving.extend(outcome.ok().map(|booted| (booted, Retirement::Replaced)));
            return News::None;
        }
        self.boots -= 1;
        let mut news = News::None;
        match outcome {
            Ok(booted) => {
                if std::mem::take(&mut self.did_not_start) {
                    news = News::StartsAgain;
                }
                self.boot_failure = None;
                self.seats.add(booted);
            }
            Err(FailedBoot { failure, retry }) => {
                if failure.kind == FailureKind::Boot {
                    self.did_not_start = true;
                    news = News::DoesNotStart(failure.detail.clone());
                }
                let retry_at = (retry == Retry::Soon).then(|| Instant::now() + config.boot_retry_after);
                if self.seats.is_empty() && self.boots == 0 {
                    self.fail_waiters(&failure, orders);
                }
                self.boot_failure = Some(BootFailure { failure, retry_at });
            }
        }
        self.settle(config, orders);
        news
    }

    /// Takes out workers that are retired, or idle since before `idle_before`: those for `reason`.
    pub(crate) fn sweep(
        &mut self,
        idle_before: Option<Instant>,
        reason: Retirement,
        config: &PoolConfig,
        orders: &mut Orders,
    ) {
        self.waiters.retain(|waiter| !waiter.is_closed());
        self.seats.sweep(idle_before, reason, &mut orders.leaving);
        self.settle(config, orders);
    }

    /// Hands free places to waiters in their order and boots for those who remain.
    pub(crate) fn settle(&mut self, config: &PoolConfig, orders: &mut Orders) {
        while let Some(waiter) = self.waiters.pop_front() {
            if waiter.is_closed() {
                continue;
            }
            let Some(booted) = self.take(orders) else {
                self.waiters.push_front(waiter);
                break;
            };
            orders.handed.push((waiter, booted));
        }
        self.order_boots(config, orders);
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiters.len()
    }

    /// As many boots as the waiters need and the bound allows.
    fn order_boots(&mut self, config: &PoolConfig, orders: &mut Orders) {
        let Ok(function) = &self.source else { return };
        let per_worker = function.limits.concurrency_max.max(1);
        if self.waiters.is_empty() {
            return;
        }
        self.forget_old_failure();
        if let Some(failed) = &self.boot_failure {
            if self.seats.is_empty() && self.boots == 0 {
                let failure = failed.failure.clone();
                self.fail_waiters(&failure, orders);
            }
            return;
        }
        let needed = self.waiters.len().div_ceil(per_worker);
        let room = config.workers_per_function_max.max(1).saturating_sub(self.seats.len());
        for _ in self.boots..needed.min(room) {
            self.order_boot(orders);
        }
    }

    fn order_boot(&mut self, orders: &mut Orders) {
        if let Ok(function) = &self.source {
            orders.function = Some(Arc::clone(function));
            orders.generation = self.generation;
            orders.current = Some(self.current.subscribe());
            orders.boots += 1;
            self.boots += 1;
        }
    }

    fn fail_waiters(&mut self, failure: &Failure, orders: &mut Orders) {
        orders.failed.extend(self.waiters.drain(..).map(|waiter| (waiter, failure.clone())));
    }

    fn forget_old_failure(&mut self) {
        let over = |failed: &BootFailure| failed.retry_at.is_some_and(|at| at <= Instant::now());
        if self.boot_failure.as_ref().is_some_and(over) {
            self.boot_failure = None;
        }
    }
}
