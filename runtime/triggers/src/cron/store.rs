//! The statements on the host's own sessions: jobs are read, runs claimed, attempts counted.
//!
//! A claim is a row of `isobase.cron_runs`; its key (job, due time) makes each due time happen once,
//! however many hosts there are.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use deadpool_postgres::{Object, Pool};
use isobase_base::limits;
use isobase_base::project::Overlap;

use super::CronError;
use super::job::Job;
use super::plan::Due;

/// The host's own sessions, and what is asked through them.
#[derive(Clone)]
pub(super) struct Store {
    pool: Pool,
}

/// A run that this host has claimed: one attempt at it.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) job: i64,
    pub(super) due: DateTime<Utc>,
    /// Its line in the history.
    pub(super) id: i64,
    /// From 1.
    pub(super) attempt: i32,
    pub(super) lease: i64,
}

impl Run {
    /// The same over all attempts, on whichever host.
    pub(super) fn idempotency_key(&self) -> String {
        format!("cron:{}:{}", self.job, self.due.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

/// What came of claiming a run.
#[derive(Clone, Debug)]
pub(super) enum Claim {
    Won(Run),
    /// A host has or had it, this one included; or its job is gone.
    Taken,
    /// Another host is at the job's run before it.
    Blocked,
}

const JOBS: &str = "
select j.jobid, j.jobname, j.schedule, j.command, j.database, j.username,
  coalesce(a.anchored_at, date_trunc('day', now())) as anchored_at,
  coalesce(o.timezone, 'UTC') as timezone, coalesce(o.misfire, 'skip') as misfire,
  coalesce(o.overlap, 'queue') as overlap, coalesce(o.max_retries, 0) as max_retries,
  extract(epoch from o.backoff)::float8 as backoff, extract(epoch from o.timeout)::float8 as timeout,
  r.due_at as claimed_until,
  d.jobid is not null or exists (
    select from pg_roles as role
    where role.rolname = j.username and pg_has_role(role.oid, 'service_role', 'member')
  ) as may_call
from cron.job as j
left join isobase.cron_anchors as a using (jobid)
left join isobase.cron_options as o using (jobid)
left join isobase.cron_declared as d using (jobid)
left join lateral (
  select due_at from isobase.cron_runs as r where r.jobid = j.jobid order by due_at desc limit 1
) as r on true
where j.active
order by j.jobid
limit $1";

// A run is blocked while another host's lease is on an unfinished run of its job; whether that host is
// alive shows when its lease ends.
const CLAIM: &str = "
with wanted as (
  select * from unnest($1::bigint[], $2::timestamptz[], $3::boolean[]) as w (jobid, due_at, may_overlap)
), allowed as (
  select w.jobid, w.due_at, j.database, j.username, j.command
  from wanted as w join cron.job as j using (jobid)
  where j.active and (w.may_overlap or not exists (
    select from isobase.cron_runs as r where r.jobid = w.jobid and not r.is_done and r.lease <> $4
  ))
), won as (
  insert into isobase.cron_runs (jobid, due_at, lease, runid)
  select jobid, due_at, $4, nextval('cron.runid_seq') from allowed
  on conflict (jobid, due_at) do nothing
  returning jobid, due_at, runid
), noted as (
  insert into cron.job_run_details (jobid, runid, database, username, command, status)
  select jobid, runid, database, username, command, 'starting' from won join allowed using (jobid, due_at)
)
select won.runid, allowed.jobid is null and j.jobid is not null as is_blocked
from wanted left join won using (jobid, due_at)
left join allowed using (jobid, due_at)
left join cron.job as j on j.jobid = wanted.jobid and j.active
order by wanted.jobid, wanted.due_at";

const NEXT_ATTEMPT: &str = "
with counted as (
  update isobase.cron_runs set attempt = attempt + 1, runid = nextval('cron.runid_seq')
  where jobid = $1 and due_at = $2 and lease = $3 and not is_done
  returning jobid, runid, attempt
), noted as (
  insert into cron.job_run_details (jobid, runid, database, username, command, status)
  select counted.jobid, counted.runid, j.database, j.username, j.command, 'starting'
  from counted join cron.job as j using (jobid)
)
select runid, attempt from counted";

// A run that never began and is too late by now was missed, and its job may not want it.
const RECOVER: &str = "
with orphans as (
  select r.jobid, r.due_at, r.runid,
    j.jobid is not null and r.attempt <= coalesce(o.max_retries, 0) and (
      r.attempt > 0 or o.misfire in ('once', 'all') or r.due_at >= now() - make_interval(secs => $3)
    ) as is_again
  from isobase.cron_runs as r
  left join cron.job as j on j.jobid = r.jobid and j.active
  left join isobase.cron_options as o on o.jobid = r.jobid
  where not r.is_done and not exists (select from isobase.cron_leases as l where l.lease = r.lease)
  order by r.due_at limit $2
  for update of r skip locked
), ended as (
  update cron.job_run_details as d
  set status = 'failed', return_message = 'server restarted', end_time = clock_timestamp()
  from orphans where d.runid = orphans.runid and d.status not in ('succeeded', 'failed')
), taken as (
  update isobase.cron_runs as r
  set lease = $1, is_done = not orphans.is_again,
    attempt = case when orphans.is_again then r.attempt + 1 else r.attempt end,
    runid = case when orphans.is_again then nextval('cron.runid_seq') else r.runid end
  from orphans where r.jobid = orphans.jobid and r.due_at = orphans.due_at
  returning r.jobid, r.due_at, r.runid, r.attempt, orphans.is_again
), noted as (
  insert into cron.job_run_details (jobid, runid, database, username, command, status)
  select taken.jobid, taken.runid, j.database, j.username, j.command, 'starting'
  from taken join cron.job as j using (jobid) where taken.is_again
)
select jobid, due_at, runid, attempt from taken where is_again order by due_at";

const TRIM_BY_COUNT: &str = "
delete from cron.job_run_details as d
using (
  select j.jobid, (
    select r.runid from cron.job_run_details as r where r.jobid = j.jobid
    order by r.runid desc offset coalesce(o.history_keep, 1000) limit 1
  ) as until
  from cron.job as j left join isobase.cron_options as o using (jobid)
) as old
where d.jobid = old.jobid and d.runid <= old.until and d.status in ('succeeded', 'failed')";

const TRIM_BY_AGE: &str = "
delete from cron.job_run_details
where end_time < now() - interval '7 days' and status in ('succeeded', 'failed')";

// The latest claim of a job tells what was missed, so it stays.
const TRIM_CLAIMS: &str = "
delete from isobase.cron_runs as r
where is_done and due_at < now() - interval '1 hour' and (
  exists (select from isobase.cron_runs as later where later.jobid = r.jobid and later.due_at > r.due_at)
  or not exists (select from cron.job as j where j.jobid = r.jobid)
)";

impl Store {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    pub(super) async fn session(&self) -> Result<Object, CronError> {
        Ok(self.pool.get().await?)
    }

    /// Whether schema `cron` is ours: in a database with the extension itself it is not.
    pub(super) async fn is_ours(&self) -> Result<bool, CronError> {
        const SQL: &str = "select to_regclass('isobase.cron_runs') is not null \
            and not exists (select from pg_extension where extname = 'pg_cron')";
        Ok(self.session().await?.query_one(SQL, &[]).await?.get(0))
    }

    pub(super) async fn server_start(&self) -> Result<DateTime<Utc>, CronError> {
        Ok(self.session().await?.query_one("select pg_postmaster_start_time()", &[]).await?.get(0))
    }

    /// All active jobs but the unusable, which a warning names.
    pub(super) async fn jobs(&self) -> Result<Vec<Arc<Job>>, CronError> {
        let session = self.session().await?;
        let statement = session.prepare_cached(JOBS).await?;
        let one_more = limits::CRON_JOBS_MAX as i64 + 1;
        let mut rows = session.query(&statement, &[&one_more]).await?;
        if rows.len() > limits::CRON_JOBS_MAX {
            tracing::warn!(most = limits::CRON_JOBS_MAX, "there are too many jobs; the newest are not run");
            rows.truncate(limits::CRON_JOBS_MAX);
        }
        let jobs = rows.iter().filter_map(|row| match Job::read(row) {
            Ok(job) => Some(Arc::new(job)),
            Err(error) => {
                tracing::warn!(job = row.get::<_, i64>("jobid"), %error, "this job cannot be run");
                None
            }
        });
        Ok(jobs.collect())
    }

    /// Claims runs that come up. The answers are in the order of `dues`, which is sorted by job and time.
    pub(super) async fn claim(&self, dues: &[Due], lease: i64) -> Result<Vec<Claim>, CronError> {
        let session = self.session().await?;
        let statement = session.prepare_cached(CLAIM).await?;
        let jobs: Vec<i64> = dues.iter().map(|due| due.job.id).collect();
        let times: Vec<DateTime<Utc>> = dues.iter().map(|due| due.at).collect();
        let may_overlap: Vec<bool> = dues.iter().map(|due| due.job.overlap == Overlap::Allow).collect();
        let rows = session.query(&statement, &[&jobs, &times, &may_overlap, &lease]).await?;
        let claim = |(row, due): (&tokio_postgres::Row, &Due)| match row.get::<_, Option<i64>>(0) {
            Some(id) => Claim::Won(Run { job: due.job.id, due: due.at, id, attempt: 1, lease }),
            None if row.get(1) => Claim::Blocked,
            None => Claim::Taken,
        };
        Ok(rows.iter().zip(dues).map(claim).collect())
    }

    /// Counts another attempt at `run`; `None` when the run is no longer this host's.
    pub(super) async fn next_attempt(&self, run: &Run) -> Result<Option<Run>, CronError> {
        let session = self.session().await?;
        let row = session.query_opt(NEXT_ATTEMPT, &[&run.job, &run.due, &run.lease]).await?;
        Ok(row.map(|row| Run { id: row.get(0), attempt: row.get(1), ..run.clone() }))
    }

    /// Takes over what dead hosts left: what may be tried again comes back, the rest has failed.
    pub(super) async fn recover(&self, lease: i64) -> Result<Vec<Run>, CronError> {
        let session = self.session().await?;
        let statement = session.prepare_cached(RECOVER).await?;
        let lateness = limits::CRON_LATENESS_MAX.as_secs_f64();
        let rows = session.query(&statement, &[&lease, &limits::CRON_RECOVERED_MAX, &lateness]).await?;
        let run = |row: &tokio_postgres::Row| Run {
            job: row.get(0),
            due: row.get(1),
            id: row.get(2),
            attempt: row.get(3),
            lease,
        };
        Ok(rows.iter().map(run).collect())
    }

    /// Removes old history. Several hosts may do so at once; the second finds nothing.
    pub(super) async fn trim(&self) -> Result<(), CronError> {
        let session = self.session().await?;
        for sql in [TRIM_BY_COUNT, TRIM_BY_AGE, TRIM_CLAIMS] {
            session.execute(sql, &[]).await?;
        }
        Ok(())
    }
}
