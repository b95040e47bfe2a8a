//! Schedules: pg_cron's tables and functions, run by the host.
//!
//! `cron.job` in the database is the truth; whoever changes it wakes the hosts. Each host plans all jobs
//! ([`plan`]) and claims what comes up a moment before it is due ([`store`]): a row whose key is the job
//! and the due time, so that of any number of hosts one does it. The claim names the host's lease
//! ([`lease`]). A host that dies loses its lease, and another takes its runs over: tries them again where
//! the job allows it, or writes down that they failed. Whatever happens, a due time has one idempotency
//! key.
//!
//! A run is SQL as the job's role ([`sql_job`]) or the call of a function ([`function_job`]).

mod declared;
mod function_job;
mod history;
mod job;
mod lease;
mod outcome;
mod plan;
mod runner;
mod schedule;
mod scheduler;
mod sql_job;
mod store;

use std::sync::Arc;

use deadpool_postgres::Pool;
use isobase_base::task::{self, TaskKind};
use isobase_base::{FunctionSlug, Invoker, limits};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use declared::DeclaredSchedule;
pub use schedule::InvalidSchedule;
pub use sql_job::LogIn;

use function_job::FunctionJobs;
use history::History;
use lease::Lease;
use plan::Plan;
use runner::{Runner, State};
use scheduler::Scheduler;
use sql_job::SqlJobs;
use store::Store;

/// The channel on which the database tells that jobs have changed.
pub const CHANGES: &str = "isobase_cron";

/// What a host's scheduler stands on.
pub struct CronConfig {
    /// As a role that owns the tables.
    pub sessions: Pool,
    /// For SQL jobs, the first that fits.
    pub log_ins: Vec<LogIn>,
    pub invoker: Arc<dyn Invoker>,
    /// Moves when [`CHANGES`] is notified. Without it the table is looked at from time to time.
    pub changes: Option<watch::Receiver<u64>>,
    pub declared: Vec<DeclaredSchedule>,
    /// No other host can be on this database, so what others left is taken over at once.
    pub is_alone: bool,
}

/// Why schedules do not run.
#[derive(Debug, thiserror::Error)]
pub enum CronError {
    #[error("no session for schedules")]
    Session(#[from] deadpool_postgres::PoolError),
    #[error("the database failed at the tables of schedules")]
    Database(#[from] tokio_postgres::Error),
    #[error("functions.{function}.schedule: {problem}")]
    Declared { function: FunctionSlug, problem: String },
}

/// A running scheduler.
pub struct Cron {
    store: Store,
    /// `None` where schema `cron` belongs to others.
    running: Option<Running>,
}

struct Running {
    runner: Arc<Runner>,
    lease: Arc<Lease>,
    loops: Vec<JoinHandle<()>>,
    history: JoinHandle<()>,
}

impl Cron {
    /// Brings the declared schedules into the database, takes over what dead hosts left and begins.
    pub async fn start(config: CronConfig) -> Result<Self, CronError> {
        let store = Store::new(config.sessions);
        if !store.is_ours().await? {
            tracing::warn!(
                declared = config.declared.len(),
                "schema cron of this database is not the host's own (it has the extension pg_cron?); schedules are left to whoever made it, and those of the settings are not run"
            );
            return Ok(Self { store, running: None });
        }
        declared::reconcile(&store, &config.declared).await?;
        let lease = Arc::new(Lease::take(store.clone(), config.is_alone).await?);
        let (history, history_task) = History::open(store.clone());
        let runner = Arc::new(Runner {
            store: store.clone(),
            history,
            lease: Arc::clone(&lease),
            sql: SqlJobs::new(config.log_ins),
            functions: FunctionJobs::new(config.invoker),
            state: Mutex::new(State::default()),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
            at_work: TaskTracker::new(),
        });
        let mut scheduler = Scheduler {
            runner: Arc::clone(&runner),
            plan: Plan::default(),
            server_start: store.server_start().await?,
            changes: config.changes,
        };
        scheduler.read_jobs().await?;
        let loops = vec![
            task::spawn(TaskKind::Service, "cron", scheduler.run()),
            task::spawn(TaskKind::Service, "cron lease", scheduler::keep_alive(Arc::clone(&runner))),
            task::spawn(TaskKind::Service, "cron trim", scheduler::trim(Arc::clone(&runner))),
        ];
        Ok(Self { store, running: Some(Running { runner, lease, loops, history: history_task }) })
    }

    /// The way to change what is declared while it runs.
    pub fn declarer(&self) -> Declarer {
        Declarer { store: self.running.is_some().then(|| self.store.clone()) }
    }

    /// Nothing begins any more; what is at work may end within [`limits::CRON_DRAIN_TIMEOUT`].
    pub async fn stop(self) {
        if let Some(running) = self.running {
            running.stop().await;
        }
    }
}

/// Changes the declared schedules of a running scheduler.
#[derive(Clone)]
pub struct Declarer {
    /// `None` where schema `cron` belongs to others.
    store: Option<Store>,
}

impl Declarer {
    /// These take the place of those there were, or nothing changes.
    pub async fn replace(&self, declared: &[DeclaredSchedule]) -> Result<(), CronError> {
        match &self.store {
            Some(store) => declared::reconcile(store, declared).await,
            None => Ok(()),
        }
    }
}

impl Running {
    async fn stop(self) {
        let Self { runner, lease, loops, history } = self;
        runner.stop.cancel();
        for task in loops {
            _ = task.await;
        }
        runner.at_work.close();
        if tokio::time::timeout(limits::CRON_DRAIN_TIMEOUT, runner.at_work.wait()).await.is_err() {
            tracing::warn!(
                runs = runner.at_work.len(),
                "scheduled runs are cut off; they count as unfinished"
            );
            runner.cut.cancel();
            runner.at_work.wait().await;
        }
        runner.sql.close();
        drop(runner);
        _ = history.await;
        if let Err(error) = lease.give_up().await {
            tracing::debug!(%error, "the lease on scheduled runs was not given up; it ends by itself");
        }
    }
}
