//! Carries out runs that this host has claimed: at their time, in their turn, attempt by attempt.
//!
//! Each run is a task of its own, so no job waits for another but where sessions or the job's overlap
//! policy say so. A run ends in one of three ways: it is done (success, or no attempt left), it is
//! withdrawn before it began, or its claim stays open because the host ends; then whoever finds the
//! host's lease ended takes it over.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use isobase_base::limits;
use isobase_base::project::Overlap;
use isobase_base::task::{self, TaskKind};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::function_job::FunctionJobs;
use super::history::{Ended, Entry, Fate, History};
use super::job::{Job, Work};
use super::lease::Lease;
use super::outcome::Outcome;
use super::sql_job::SqlJobs;
use super::store::{Run, Store};

pub(super) struct Runner {
    pub(super) store: Store,
    pub(super) history: History,
    pub(super) lease: Arc<Lease>,
    pub(super) sql: SqlJobs,
    pub(super) functions: FunctionJobs,
    pub(super) state: Mutex<State>,
    /// Nothing begins any more.
    pub(super) stop: CancellationToken,
    /// What is at work is cut off.
    pub(super) cut: CancellationToken,
    pub(super) at_work: TaskTracker,
}

/// The jobs as last read, and who of each is at work.
#[derive(Default)]
pub(super) struct State {
    jobs: HashMap<i64, Arc<Job>>,
    turns: HashMap<i64, Arc<Turn>>,
}

/// One run of a job at a time.
struct Turn {
    permit: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Whether a run may begin.
enum Admission {
    /// While the permit is held; `None` for jobs whose runs may overlap.
    Now(Option<OwnedSemaphorePermit>),
    LeftOut,
    Stopped,
}

/// An attempt that has ended.
struct Attempt {
    outcome: Outcome,
    began: Option<DateTime<Utc>>,
    process: Option<i32>,
}

impl Runner {
    pub(super) fn set_jobs(&self, jobs: &[Arc<Job>]) {
        let mut state = self.state.lock();
        state.jobs = jobs.iter().map(|job| (job.id, Arc::clone(job))).collect();
        let State { jobs, turns } = &mut *state;
        turns.retain(|id, turn| jobs.contains_key(id) || Arc::strong_count(turn) > 1);
    }

    fn job(&self, id: i64) -> Option<Arc<Job>> {
        self.state.lock().jobs.get(&id).cloned()
    }

    /// Takes care of a run until it is done.
    pub(super) fn begin(self: &Arc<Self>, run: Run) {
        let runner = Arc::clone(self);
        let carrying = self.at_work.track_future(async move { runner.carry(run).await });
        task::spawn(TaskKind::Request, "cron run", carrying);
    }

    async fn carry(&self, run: Run) {
        let early = (run.due - Utc::now()).to_std().unwrap_or_default();
        if self.stop.run_until_cancelled(tokio::time::sleep(early)).await.is_none() {
            return self.let_go(run).await;
        }
        // As it is now: it may have been changed since the run was claimed.
        let Some(job) = self.job(run.job) else { return self.withdraw(run, Fate::Done).await };
        let _turn = match self.turn(&job, &run).await {
            Admission::Now(turn) => turn,
            Admission::LeftOut => return self.withdraw(run, Fate::Done).await,
            Admission::Stopped => return self.let_go(run).await,
        };
        self.attempts(job, run).await;
    }

    async fn attempts(&self, mut job: Arc<Job>, mut run: Run) {
        loop {
            if !self.lease.holds(run.lease) {
                tracing::warn!(job = run.job, "a run is left to other hosts: this one's lease has ended");
                return;
            }
            let attempt = self.cut.run_until_cancelled(self.attempt(&job, &run)).await;
            let Some(attempt) = attempt else { return };
            let is_last = match &attempt.outcome {
                Outcome::Succeeded(_) | Outcome::Hopeless(_) => true,
                Outcome::Failed(_) => run.attempt.unsigned_abs() > job.retries,
            };
            self.note(&job, &run, attempt, is_last).await;
            if is_last {
                return;
            }
            let pause = tokio::time::sleep(job.pause_after(run.attempt.unsigned_abs()));
            if self.stop.run_until_cancelled(pause).await.is_none() {
                return;
            }
            job = match self.job(run.job) {
                Some(job) => job,
                None => return self.withdraw(run, Fate::Done).await,
            };
            run = match self.next_attempt(&run).await {
                Some(next) => next,
                None => return,
            };
        }
    }

    async fn attempt(&self, job: &Job, run: &Run) -> Attempt {
        let began = Mutex::new(None);
        let on_begin = |at, process| {
            *began.lock() = Some(at);
            self.history.write_soon(Entry::Began { run: run.id, at, process });
        };
        let (outcome, process) = match &job.work {
            Work::Sql(command) => {
                let ran = self.sql.run(job, run, command, &on_begin).await;
                (ran.outcome, ran.process)
            }
            Work::Function { slug, payload } => {
                (self.functions.run(job, run, slug, payload, &on_begin).await, None)
            }
            Work::Refused(why) => (Outcome::Hopeless(why.clone()), None),
        };
        let began = began.into_inner();
        Attempt { outcome, began, process }
    }

    async fn note(&self, job: &Job, run: &Run, attempt: Attempt, is_last: bool) {
        let is_success = attempt.outcome.is_success();
        let message = attempt.outcome.into_message();
        if !is_success {
            // The message may quote data; the history is its place.
            tracing::warn!(
                job = job.id,
                name = job.name,
                attempt = run.attempt,
                is_last,
                "a scheduled run failed"
            );
        }
        self.history
            .write(Entry::Ended(Ended {
                run: run.clone(),
                is_success,
                message,
                began: attempt.began,
                process: attempt.process,
                ended: Utc::now(),
                is_last,
            }))
            .await;
    }

    /// `None` when the run is another host's by now, or the host stops.
    async fn next_attempt(&self, run: &Run) -> Option<Run> {
        loop {
            match self.store.next_attempt(run).await {
                Ok(next) => return next,
                Err(error) => {
                    tracing::warn!(%error, "a run's next attempt could not be counted; trying again")
                }
            }
            self.stop.run_until_cancelled(tokio::time::sleep(limits::CRON_DATABASE_RETRY)).await?;
        }
    }

    async fn turn(&self, job: &Job, run: &Run) -> Admission {
        if job.overlap == Overlap::Allow {
            return Admission::Now(None);
        }
        let turn = Arc::clone(self.state.lock().turns.entry(job.id).or_insert_with(|| {
            Arc::new(Turn { permit: Arc::new(Semaphore::new(1)), waiting: AtomicUsize::new(0) })
        }));
        if let Ok(permit) = Arc::clone(&turn.permit).try_acquire_owned() {
            return Admission::Now(Some(permit));
        }
        // What is made up for, or taken over, is bounded elsewhere and was promised.
        let lateness = TimeDelta::from_std(limits::CRON_LATENESS_MAX).unwrap_or_default();
        let is_promised = run.attempt > 1 || Utc::now() - run.due > lateness;
        if job.overlap == Overlap::Skip && !is_promised {
            return Admission::LeftOut;
        }
        let waiting = Waiting::enter(&turn);
        if waiting.others >= job.waiting_max() && !is_promised {
            return Admission::LeftOut;
        }
        let permit = self.stop.run_until_cancelled(Arc::clone(&turn.permit).acquire_owned()).await;
        match permit {
            Some(permit) => Admission::Now(permit.ok()),
            None => Admission::Stopped,
        }
    }

    /// The host stops. A run that never began is free for others; one that has waits for its lease.
    async fn let_go(&self, run: Run) {
        if run.attempt == 1 {
            self.withdraw(run, Fate::Free).await;
        }
    }

    async fn withdraw(&self, run: Run, claim: Fate) {
        self.history.write(Entry::Withdrawn { run, claim }).await;
    }
}

/// Counts itself among those who wait for a turn.
struct Waiting<'a> {
    turn: &'a Turn,
    others: usize,
}

impl<'a> Waiting<'a> {
    fn enter(turn: &'a Turn) -> Self {
        Self { turn, others: turn.waiting.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.turn.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
