//! Boots workers: one task per boot, under a time bound, within the pool's total.

use std::sync::Arc;
use std::time::Duration;

use isobase_base::observe::{FunctionObserver, Observation};
use isobase_base::task::{self, TaskKind};
use isobase_base::{Failure, FailureKind};
use isobase_engine::{Engine, Function};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use crate::PoolConfig;
use crate::decisions::{FailedBoot, Retry};
use crate::lane::Lane;
use crate::pool::Host;
use crate::seats::Booted;
use isobase_base::limits::POOL_ROOM_RETRY;

/// Boots a worker of `function` in the background and hands the outcome to the lane. Given up when `current`
/// closes: a boot may wait for a debugger, and nobody wants the worker of an old version.
pub(crate) fn start(
    lane: &Arc<Lane>,
    function: Arc<Function>,
    generation: u64,
    mut current: watch::Receiver<()>,
) {
    let mut report = Report { lane: Arc::clone(lane), generation, told: false };
    let (observer, config) = (lane.function.clone(), Arc::clone(&lane.config));
    let Some(host) = lane.host.upgrade() else {
        // The report's drop fails those who wait.
        return;
    };
    let runtime = host.runtime.clone();
    let _inside = runtime.enter();
    task::spawn(TaskKind::Request, "boot", async move {
        let outcome = tokio::select! {
            biased;
            _ = current.changed() => {
                let failure = Failure::new(FailureKind::Cancelled, "another version took its place");
                Err(FailedBoot { failure, retry: Retry::Soon })
            }
            outcome = boot(&host, &config, &function, &observer) => outcome,
        };
        report.tell(outcome);
    });
}

async fn boot(
    host: &Arc<Host>,
    config: &PoolConfig,
    function: &Arc<Function>,
    observer: &FunctionObserver,
) -> Result<Arc<Booted>, FailedBoot> {
    let engine = engine_for(host, function)?;
    let room = make_room(host).await.map_err(|failure| FailedBoot { failure, retry: Retry::Soon })?;
    let began = Instant::now();
    let bound = config.boot_timeout;
    let worker = match tokio::time::timeout(bound, engine.boot(Arc::clone(function))).await {
        Ok(booted) => booted.map_err(failed_in_engine)?,
        Err(_) => return Err(timed_out(bound)),
    };
    let (engine, duration) = (engine.name(), began.elapsed());
    host.observer.record(Observation::WorkerBooted { engine, duration });
    observer.booted(function.version.0, engine, duration);
    Ok(Arc::new(Booted { worker, version: function.version, limits: function.limits, _room: room }))
}

/// Only an engine knows whether the function's code is at fault, and says so by `Boot`.
fn failed_in_engine(failure: Failure) -> FailedBoot {
    let retry = if failure.kind == FailureKind::Boot { Retry::AfterPublication } else { Retry::Soon };
    FailedBoot { failure, retry }
}

/// The function may wait for something that never comes, or the machine may be slow.
fn timed_out(bound: Duration) -> FailedBoot {
    let detail =
        format!("the function did not start within {bound:?}; does its top level wait for something?");
    FailedBoot { failure: Failure::new(FailureKind::Boot, detail), retry: Retry::Soon }
}

fn engine_for<'a>(host: &'a Host, function: &Function) -> Result<&'a Arc<dyn Engine>, FailedBoot> {
    host.engines.iter().find(|engine| engine.runs(&function.artifact)).ok_or_else(|| {
        let detail = format!("no engine of this host runs {:?}", function.artifact);
        FailedBoot { failure: Failure::new(FailureKind::Boot, detail), retry: Retry::AfterPublication }
    })
}

/// A share of the pool's total, if need be taken from the worker that is idle longest.
async fn make_room(host: &Arc<Host>) -> Result<OwnedSemaphorePermit, Failure> {
    let deadline = Instant::now() + host.config.queue_timeout;
    loop {
        if host.is_out_of_memory() {
            host.relieve();
        }
        // Neither a worker that becomes idle nor one that holds less tells anybody: look from time to time.
        let look_again = deadline.min(Instant::now() + POOL_ROOM_RETRY);
        let found = if host.is_out_of_memory() {
            tokio::time::sleep_until(look_again).await;
            None
        } else {
            find_place(host, look_again).await
        };
        if let Some(permit) = found {
            return Ok(permit);
        }
        if Instant::now() >= deadline {
            return Err(no_room(host));
        }
    }
}

async fn find_place(host: &Arc<Host>, until: Instant) -> Option<OwnedSemaphorePermit> {
    let permits = Arc::clone(&host.room);
    if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
        return Some(permit);
    }
    host.evict_idle();
    tokio::time::timeout_at(until, permits.acquire_owned()).await.ok()?.ok()
}

fn no_room(host: &Host) -> Failure {
    let detail = if host.is_out_of_memory() {
        let budget = host.config.memory_bytes_max >> 20;
        format!("the functions at work hold all {budget} MiB that functions may hold together")
    } else {
        format!("all {} workers of the host are busy", host.config.workers_total_max)
    };
    Failure::new(FailureKind::Overloaded, detail)
}

/// Tells the lane the outcome exactly once, also when the engine panics.
struct Report {
    lane: Arc<Lane>,
    generation: u64,
    told: bool,
}

impl Report {
    fn tell(&mut self, outcome: Result<Arc<Booted>, FailedBoot>) {
        self.told = true;
        self.lane.booted(self.generation, outcome);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if !self.told {
            let detail = "the boot ended without an outcome; see the host's log";
            let failure = Failure::new(FailureKind::Host, detail);
            self.tell(Err(FailedBoot { failure, retry: Retry::Soon }));
        }
    }
}
