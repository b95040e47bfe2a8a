//! What became of runs, on its way into `cron.job_run_details`.
//!
//! A thousand jobs a second would be two thousand statements. One task writes instead, all that has
//! gathered while it wrote before, in one transaction.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use isobase_base::limits;
use isobase_base::task::{self, TaskKind};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::CronError;
use super::store::{Run, Store};

/// Something to write down.
#[derive(Debug)]
pub(super) enum Entry {
    Began {
        run: i64,
        at: DateTime<Utc>,
        /// The server process of an SQL job.
        process: Option<i32>,
    },
    Ended(Ended),
    /// A run that is not to be seen: it never began.
    Withdrawn {
        run: Run,
        claim: Fate,
    },
}

#[derive(Debug)]
pub(super) struct Ended {
    pub(super) run: Run,
    pub(super) is_success: bool,
    pub(super) message: String,
    pub(super) began: Option<DateTime<Utc>>,
    pub(super) process: Option<i32>,
    pub(super) ended: DateTime<Utc>,
    /// Whether another attempt follows; else the claim is done.
    pub(super) is_last: bool,
}

/// What becomes of the claim of a run that was withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It counts as done.
    Done,
    /// Whoever finds this host's lease ended begins the run.
    Free,
}

const BEGAN: &str = "
update cron.job_run_details as d set status = 'running', start_time = e.at, job_pid = e.process
from unnest($1::bigint[], $2::timestamptz[], $3::int[]) as e (runid, at, process)
where d.runid = e.runid and d.status in ('starting', 'running')";

const ENDED: &str = "
update cron.job_run_details as d
set status = e.status, return_message = e.message, end_time = e.ended,
  start_time = coalesce(e.began, d.start_time), job_pid = coalesce(e.process, d.job_pid)
from unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::int[])
  as e (runid, status, message, began, ended, process)
where d.runid = e.runid and d.status not in ('succeeded', 'failed')";

const DONE: &str = "
update isobase.cron_runs as r set is_done = true
from unnest($1::bigint[], $2::timestamptz[], $3::bigint[]) as e (jobid, due_at, lease)
where r.jobid = e.jobid and r.due_at = e.due_at and r.lease = e.lease";

// The row stays: later runs of the job may be claimed already, and nobody would look before them.
const FREE: &str = "
update isobase.cron_runs as r set attempt = 0
from unnest($1::bigint[], $2::timestamptz[], $3::bigint[]) as e (jobid, due_at, lease)
where r.jobid = e.jobid and r.due_at = e.due_at and r.lease = e.lease";

const WITHDRAWN: &str = "delete from cron.job_run_details where runid = any($1) and status = 'starting'";

impl Entry {
    /// The run whose end this is.
    fn ends(&self) -> Option<i64> {
        match self {
            Self::Ended(ended) => Some(ended.run.id),
            Self::Began { .. } | Self::Withdrawn { .. } => None,
        }
    }
}

/// The end that takes entries. Waits where the database has fallen far behind.
#[derive(Clone)]
pub(super) struct History {
    entries: mpsc::Sender<Entry>,
}

impl History {
    /// The task ends once every clone is dropped and all is written.
    pub(super) fn open(store: Store) -> (Self, JoinHandle<()>) {
        let (entries, waiting) = mpsc::channel(limits::CRON_HISTORY_WAITING_MAX);
        (Self { entries }, task::spawn(TaskKind::Service, "cron history", write_all(store, waiting)))
    }

    pub(super) async fn write(&self, entry: Entry) {
        // The task outlives all senders.
        _ = self.entries.send(entry).await;
    }

    /// Drops the entry where many wait: for what a later entry tells as well.
    pub(super) fn write_soon(&self, entry: Entry) {
        _ = self.entries.try_send(entry);
    }
}

async fn write_all(store: Store, mut waiting: mpsc::Receiver<Entry>) {
    let mut entries = Vec::new();
    while waiting.recv_many(&mut entries, limits::CRON_CLAIMS_MAX).await > 0 {
        tokio::time::sleep(limits::CRON_HISTORY_DELAY).await;
        while entries.len() < limits::CRON_CLAIMS_MAX
            && let Ok(entry) = waiting.try_recv()
        {
            entries.push(entry);
        }
        let batch = Batch::of(std::mem::take(&mut entries));
        let mut failures = 0_u32;
        while let Err(error) = batch.write(&store).await {
            failures += 1;
            tracing::warn!(%error, "the history of schedules could not be written; trying again");
            if waiting.is_closed() && failures > 3 {
                tracing::error!("the host stops and the last runs' history is not written");
                return;
            }
            tokio::time::sleep(limits::CRON_DATABASE_RETRY).await;
        }
    }
}

/// Entries as columns.
#[derive(Default)]
struct Batch {
    began: (Vec<i64>, Vec<DateTime<Utc>>, Vec<Option<i32>>),
    ended: Vec<Ended>,
    done: Claims,
    free: Claims,
    withdrawn: Vec<i64>,
}

#[derive(Default)]
struct Claims {
    jobs: Vec<i64>,
    dues: Vec<DateTime<Utc>>,
    leases: Vec<i64>,
}

impl Claims {
    fn push(&mut self, run: &Run) {
        self.jobs.push(run.job);
        self.dues.push(run.due);
        self.leases.push(run.lease);
    }
}

impl Batch {
    fn of(entries: Vec<Entry>) -> Self {
        let mut batch = Self::default();
        let ends: HashSet<i64> = entries.iter().filter_map(Entry::ends).collect();
        for entry in entries {
            match entry {
                // Its end says the same and more.
                Entry::Began { run, .. } if ends.contains(&run) => {}
                Entry::Began { run, at, process } => {
                    batch.began.0.push(run);
                    batch.began.1.push(at);
                    batch.began.2.push(process);
                }
                Entry::Ended(ended) => {
                    if ended.is_last {
                        batch.done.push(&ended.run);
                    }
                    batch.ended.push(ended);
                }
                Entry::Withdrawn { run, claim } => {
                    match claim {
                        Fate::Done => batch.done.push(&run),
                        Fate::Free => batch.free.push(&run),
                    }
                    batch.withdrawn.push(run.id);
                }
            }
        }
        batch
    }

    async fn write(&self, store: &Store) -> Result<(), CronError> {
        let mut session = store.session().await?;
        let transaction = session.transaction().await?;
        if !self.began.0.is_empty() {
            let statement = transaction.prepare_cached(BEGAN).await?;
            transaction.execute(&statement, &[&self.began.0, &self.began.1, &self.began.2]).await?;
        }
        if !self.ended.is_empty() {
            let column = |ended: &Ended| if ended.is_success { "succeeded" } else { "failed" };
            let runs: Vec<i64> = self.ended.iter().map(|ended| ended.run.id).collect();
            let statuses: Vec<&str> = self.ended.iter().map(column).collect();
            let messages: Vec<&str> = self.ended.iter().map(|ended| ended.message.as_str()).collect();
            let began: Vec<Option<DateTime<Utc>>> = self.ended.iter().map(|ended| ended.began).collect();
            let ends: Vec<DateTime<Utc>> = self.ended.iter().map(|ended| ended.ended).collect();
            let processes: Vec<Option<i32>> = self.ended.iter().map(|ended| ended.process).collect();
            let statement = transaction.prepare_cached(ENDED).await?;
            transaction
                .execute(&statement, &[&runs, &statuses, &messages, &began, &ends, &processes])
                .await?;
        }
        if !self.withdrawn.is_empty() {
            transaction.execute(WITHDRAWN, &[&self.withdrawn]).await?;
        }
        for (claims, sql) in [(&self.done, DONE), (&self.free, FREE)] {
            if !claims.jobs.is_empty() {
                let statement = transaction.prepare_cached(sql).await?;
                transaction.execute(&statement, &[&claims.jobs, &claims.dues, &claims.leases]).await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }
}
