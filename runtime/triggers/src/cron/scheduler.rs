//! The loops: what comes up is claimed, the lease is renewed, old history is removed.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use isobase_base::limits;
use isobase_base::project::Misfire;
use tokio::sync::watch;
use tokio::time::Instant;

use super::CronError;
use super::lease::Renewal;
use super::plan::{Due, Plan};
use super::runner::Runner;
use super::store::Claim;

/// Claims runs and hands them to the runner.
pub(super) struct Scheduler {
    pub(super) runner: Arc<Runner>,
    pub(super) plan: Plan,
    pub(super) server_start: DateTime<Utc>,
    /// Moves when jobs change; `None` where nobody tells.
    pub(super) changes: Option<watch::Receiver<u64>>,
}

/// Why the loop goes on.
enum Wake {
    /// Jobs have changed, or it is time to look whether they have.
    Jobs,
    Time,
}

fn span(duration: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(duration).expect("the limits are short")
}

impl Scheduler {
    /// Reads the jobs and plans them anew.
    pub(super) async fn read_jobs(&mut self) -> Result<(), CronError> {
        let jobs = self.runner.store.jobs().await?;
        self.runner.set_jobs(&jobs);
        self.plan.replace(&jobs, Utc::now(), self.server_start);
        Ok(())
    }

    /// Until the runner is stopped. The jobs have been read once before.
    pub(super) async fn run(mut self) {
        let stop = self.runner.stop.clone();
        let mut is_read = true;
        let mut read_at = Instant::now();
        // Claims that could not be made.
        let mut waiting: Vec<Due> = Vec::new();
        loop {
            if !is_read {
                // Whether it succeeds or not, not again at once.
                read_at = Instant::now();
                match self.read_jobs().await {
                    Ok(()) => is_read = true,
                    Err(error) => {
                        tracing::warn!(%error, "the scheduled jobs could not be read; trying again")
                    }
                }
            }
            let now = Utc::now();
            if waiting.is_empty() {
                waiting = self.upcoming(now);
            }
            let has_failed = !waiting.is_empty() && !self.claim(&mut waiting, now).await;
            let retry = !is_read || has_failed;
            let until = self.sleep_until(retry, read_at);
            match stop.run_until_cancelled(self.wake(until, read_at)).await {
                None => return,
                Some(Wake::Jobs) => is_read = false,
                Some(Wake::Time) => {}
            }
        }
    }

    /// What is to be claimed now, by job and time, each once.
    fn upcoming(&mut self, now: DateTime<Utc>) -> Vec<Due> {
        let is_time = self.plan.next_wake().is_some_and(|wake| wake <= now + span(limits::CRON_CLAIM_AHEAD));
        if !is_time {
            return Vec::new();
        }
        let until = now + span(limits::CRON_CLAIM_AHEAD + limits::CRON_CLAIM_WINDOW);
        let mut dues = self.plan.take(now, until);
        dues.sort_by_key(|due| (due.job.id, due.at));
        dues.dedup_by_key(|due| (due.job.id, due.at));
        dues
    }

    /// Claims `waiting` and empties it; `false` where the database could not be asked.
    async fn claim(&mut self, waiting: &mut Vec<Due>, now: DateTime<Utc>) -> bool {
        // By the time the database is back, they may have been missed.
        let oldest = now - span(limits::CRON_LATENESS_MAX);
        waiting.retain(|due| due.job.misfire != Misfire::Skip || due.at >= oldest);
        let Some(lease) = self.runner.lease.id() else { return false };
        let claims = match self.runner.store.claim(waiting, lease).await {
            Ok(claims) => claims,
            Err(error) => {
                tracing::warn!(%error, runs = waiting.len(), "runs could not be claimed; trying again");
                return false;
            }
        };
        for (due, claim) in waiting.drain(..).zip(claims) {
            match claim {
                Claim::Won(run) => self.runner.begin(run),
                Claim::Taken => {}
                Claim::Blocked => self.plan.put_back(&due, now + span(limits::CRON_BLOCKED_RETRY)),
            }
        }
        true
    }

    fn sleep_until(&self, retry: bool, read_at: Instant) -> Instant {
        let now = Instant::now();
        if retry {
            return now + limits::CRON_DATABASE_RETRY;
        }
        let poll = read_at + limits::CRON_JOBS_POLL;
        let Some(wake) = self.plan.next_wake() else { return poll };
        let ahead = wake - span(limits::CRON_CLAIM_AHEAD) - Utc::now();
        poll.min(now + ahead.to_std().unwrap_or_default())
    }

    async fn wake(&mut self, until: Instant, read_at: Instant) -> Wake {
        let changed = async {
            if let Some(changes) = &mut self.changes
                && changes.changed().await.is_ok()
            {
                tokio::time::sleep(limits::CRON_JOBS_DEBOUNCE).await;
                changes.mark_unchanged();
            } else {
                // Nobody tells.
                std::future::pending().await
            }
        };
        tokio::select! {
            () = changed => Wake::Jobs,
            () = tokio::time::sleep_until(until) => {
                if read_at.elapsed() >= limits::CRON_JOBS_POLL { Wake::Jobs } else { Wake::Time }
            }
        }
    }
}

/// Renews the lease and takes over what dead hosts left.
pub(super) async fn keep_alive(runner: Arc<Runner>) {
    let stop = runner.stop.clone();
    let mut timer = tokio::time::interval(limits::CRON_LEASE_RENEWAL);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(timer.tick()).await.is_some() {
        if let Err(error) = renew(&runner).await {
            tracing::warn!(%error, "the lease on scheduled runs could not be renewed; trying again");
            timer.reset_after(limits::CRON_DATABASE_RETRY);
        }
    }
}

async fn renew(runner: &Arc<Runner>) -> Result<(), CronError> {
    if runner.lease.renew().await? == Renewal::Lost {
        tracing::warn!("the database was out of reach for too long; other hosts take over this one's runs");
    }
    runner.lease.bury_the_dead().await?;
    if let Some(lease) = runner.lease.id() {
        for run in runner.store.recover(lease).await? {
            tracing::info!(
                job = run.job,
                attempt = run.attempt,
                "a run that another host left is taken over"
            );
            runner.begin(run);
        }
    }
    Ok(())
}

/// Removes what nobody looks at any more.
pub(super) async fn trim(runner: Arc<Runner>) {
    let stop = runner.stop.clone();
    let mut timer = tokio::time::interval(limits::CRON_TRIM_INTERVAL);
    while stop.run_until_cancelled(timer.tick()).await.is_some() {
        runner.sql.close_idle();
        if let Err(error) = runner.store.trim().await {
            tracing::warn!(%error, "old history of schedules could not be removed; trying again later");
        }
    }
}
