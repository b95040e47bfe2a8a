//! The pool as others see it: takes publications, answers requests, starts and stops.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use http::{Request, Response};
use isobase_base::observe::Observer;
use isobase_base::{Access, Body, Context, Failure, FailureKind, Invoker, Target, TargetKind};
use isobase_engine::{Engine, Function, Publication, Publish, Retirement, Stage};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::invocation;
use crate::lane::{Admission, Lane, LaneStatus};
use crate::{PoolConfig, housekeeping};

/// Keeps the workers of all functions. Cheap to clone; clones share everything. When the last one
/// is dropped, idle workers end.
#[derive(Clone)]
pub struct Pool {
    host: Arc<Host>,
}

pub(crate) struct Host {
    pub(crate) engines: Vec<Arc<dyn Engine>>,
    pub(crate) config: Arc<PoolConfig>,
    /// For functions that a debugger may pause; `None` where no engine has one.
    paused_config: Option<Arc<PoolConfig>>,
    pub(crate) observer: Observer,
    pub(crate) runtime: Handle,
    /// One permit per worker that is alive.
    pub(crate) room: Arc<Semaphore>,
    /// What all workers held when they were counted last, without those that went then.
    pub(crate) memory_held: AtomicU64,
    /// What the process held before it had any workers.
    pub(crate) resident_before: u64,
    /// Read on every request, without a lock.
    lanes: ArcSwap<HashMap<Target, Arc<Lane>>>,
    /// Held while `lanes` is replaced.
    changing: Mutex<()>,
    closing: AtomicBool,
}

impl Pool {
    /// Must be called inside a tokio runtime: boots and housekeeping run on it.
    pub fn new(engines: Vec<Arc<dyn Engine>>, config: PoolConfig, observer: Observer) -> Self {
        let resident_before = (config.resident_bytes)();
        let room = config.workers_total_max.clamp(1, Semaphore::MAX_PERMITS);
        let may_pause = engines.iter().any(|engine| engine.may_pause());
        let host = Arc::new(Host {
            engines,
            paused_config: may_pause.then(|| Arc::new(config.of_paused())),
            config: Arc::new(config),
            observer,
            runtime: Handle::current(),
            room: Arc::new(Semaphore::new(room)),
            memory_held: AtomicU64::new(0),
            resident_before,
            lanes: ArcSwap::default(),
            changing: Mutex::new(()),
            closing: AtomicBool::new(false),
        });
        housekeeping::start(&host);
        Self { host }
    }

    /// Makes sure that `target` has a worker. Returns when it has.
    ///
    /// # Errors
    /// `NotFound`, or what the first request would be answered with.
    pub async fn prewarm(&self, target: &Target) -> Result<(), Failure> {
        let lane = self.host.lane(target)?;
        match lane.admit() {
            Admission::Now(_) => Ok(()),
            Admission::Refused(failure) => Err(failure),
            Admission::Later { place, .. } => {
                let gone = || Failure::new(FailureKind::Cancelled, "the function was taken away");
                place.await.map_err(|_| gone())?.map(drop)
            }
        }
    }

    /// Begins a boot of `target` if it has no worker, and does not wait for it.
    pub fn warm(&self, target: &Target) {
        if let Ok(lane) = self.host.lane(target) {
            lane.warm();
        }
    }

    /// Takes no more requests, lets those in flight and what they left to be done finish until
    /// `deadline`, then breaks off what still streams. Returns how many invocations had not finished by themselves.
    pub async fn shutdown(&self, deadline: std::time::Instant) -> usize {
        let deadline = Instant::from_std(deadline);
        self.host.closing.store(true, Ordering::Release);
        let lanes: Vec<_> = self.host.lanes.load().values().cloned().collect();
        for lane in &lanes {
            let failure = Failure::new(FailureKind::Cancelled, "the host is shutting down");
            lane.close(failure, Retirement::Shutdown);
        }
        let in_flight = || lanes.iter().map(|lane| lane.in_flight()).sum::<usize>();
        // Work that functions do after their responses is no request in flight, but is not cut either.
        let at_work = || self.host.engines.iter().map(|engine| engine.workers_alive()).sum::<usize>();
        let mut look = tokio::time::interval(DRAIN_LOOK_INTERVAL);
        while in_flight() + at_work() > 0 && Instant::now() < deadline {
            look.tick().await;
        }
        let left = in_flight();
        for lane in &lanes {
            let running: Vec<_> = lane.running.lock().iter().filter_map(std::sync::Weak::upgrade).collect();
            for running in running {
                running.break_off(FailureKind::Cancelled, "the host is shutting down");
            }
        }
        left
    }

    /// What the workers of all functions held together when they were counted last, in bytes.
    pub fn memory_held(&self) -> u64 {
        self.host.memory_held.load(Ordering::Relaxed)
    }

    /// Figures of all functions, in no order.
    pub fn status(&self) -> Vec<LaneStatus> {
        self.host.lanes.load().values().map(|lane| lane.status()).collect()
    }
}

/// How often a drain looks whether it is done; only while the host stops.
const DRAIN_LOOK_INTERVAL: Duration = Duration::from_millis(5);

impl Host {
    pub(crate) fn lanes(&self) -> Vec<Arc<Lane>> {
        self.lanes.load().values().cloned().collect()
    }

    /// Its source may be a script at one save and something else at the next, so all of the users' functions
    /// are patient where some can be paused.
    pub(crate) fn config_of(&self, target: &Target) -> Arc<PoolConfig> {
        let paused = self.paused_config.as_ref().filter(|_| target.kind() == TargetKind::User);
        Arc::clone(paused.unwrap_or(&self.config))
    }

    /// Takes the clocks off a function that a debugger may pause. Whether it is one.
    fn free_from_clocks(&self, publication: &mut Publication) -> bool {
        let Ok(function) = &mut publication.function else { return false };
        let engine = self.engines.iter().find(|engine| engine.runs(&function.artifact));
        let may_pause = engine.is_some_and(|engine| engine.may_pause());
        if may_pause {
            let limits = function.limits.without_clocks();
            *function = Arc::new(Function { limits, ..Function::clone(function) });
        }
        may_pause
    }

    /// Retires the worker that is idle longest over all functions, if any is.
    pub(crate) fn evict_idle(&self) {
        let longest = self.lanes().into_iter().filter_map(|lane| Some((lane.idle_longest()?, lane)));
        if let Some((since, lane)) = longest.min_by_key(|(since, _)| *since) {
            lane.sweep(Some(since));
        }
    }

    fn lane(&self, target: &Target) -> Result<Arc<Lane>, Failure> {
        let lanes = self.lanes.load();
        lanes
            .get(target)
            .cloned()
            .ok_or_else(|| Failure::new(FailureKind::NotFound, format!("there is no function {target}")))
    }

    fn change_lanes(&self, change: impl FnOnce(&mut HashMap<Target, Arc<Lane>>)) {
        let mut lanes = HashMap::clone(&self.lanes.load());
        change(&mut lanes);
        self.lanes.store(Arc::new(lanes));
    }
}

impl Invoker for Pool {
    fn access(&self, target: &Target) -> Option<Access> {
        self.host.lanes.load().get(target).map(|lane| lane.access())
    }

    fn invoke(
        &self,
        target: Target,
        request: Request<Body>,
        context: Context,
    ) -> BoxFuture<'_, Result<Response<Body>, Failure>> {
        match self.host.lane(&target) {
            Ok(lane) => Box::pin(invocation::invoke(lane, request, context)),
            // Not recorded: names come from clients, and metrics must not grow by them.
            Err(failure) => Box::pin(std::future::ready(Err(failure))),
        }
    }
}

impl Stage for Pool {
    fn prewarm<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(Self::prewarm(self, target))
    }
}

impl Publish for Pool {
    fn publish(&self, mut publication: Publication) {
        if self.host.closing.load(Ordering::Acquire) {
            return;
        }
        let may_pause = self.host.free_from_clocks(&mut publication);
        // Of versions that are only kept, none: a debugger would list them all.
        let target =
            Some(publication.target.clone()).filter(|target| may_pause && target.version().is_none());
        let _changing = self.host.changing.lock();
        let known = self.host.lanes.load().get(&publication.target).cloned();
        match known {
            Some(lane) => lane.replace(publication),
            None => {
                let lane = Lane::new(&self.host, publication);
                self.host.change_lanes(|lanes| {
                    lanes.insert(lane.target.clone(), lane);
                });
            }
        }
        // Whoever debugs a function sets breakpoints before its first request.
        if let Some(target) = target {
            self.warm(&target);
        }
    }

    fn withdraw(&self, target: &Target) {
        let _changing = self.host.changing.lock();
        let Ok(lane) = self.host.lane(target) else { return };
        self.host.change_lanes(|lanes| {
            lanes.remove(target);
        });
        let failure = Failure::new(FailureKind::NotFound, format!("there is no function {target}"));
        lane.close(failure, Retirement::Replaced);
    }
}
