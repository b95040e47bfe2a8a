//! Schedules of the project's settings, brought into `cron.job` so that there is one list of all jobs.
//!
//! Their names begin with `isobase:`, which nobody else may use. Whether such a job is active is left as
//! people set it; the rest follows the settings.

use std::collections::HashMap;

use chrono_tz::Tz;
use isobase_base::FunctionSlug;
use isobase_base::project::FunctionSchedule;

use super::CronError;
use super::job::Work;
use super::schedule::Schedule;
use super::store::Store;

/// A function and one of its schedules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredSchedule {
    pub function: FunctionSlug,
    pub schedule: FunctionSchedule,
}

// Not all who own a database may act as `postgres`; those who may show their jobs to it.
const JOB: &str = "
insert into cron.job as job (jobname, schedule, command, username)
values ($1, $2, $3, case when pg_has_role(current_user, 'postgres', 'member') then 'postgres' else current_user end)
on conflict on constraint jobname_username_uniq do update
set schedule = excluded.schedule, command = excluded.command
returning jobid";

const MARK: &str = "insert into isobase.cron_declared values ($1) on conflict do nothing";

const OPTIONS: &str = "
insert into isobase.cron_options (jobid, timezone, misfire, overlap, max_retries) values ($1, $2, $3, $4, $5)
on conflict (jobid) do update set timezone = excluded.timezone, misfire = excluded.misfire,
  overlap = excluded.overlap, max_retries = excluded.max_retries";

const REMOVE: &str = "
delete from cron.job as job using isobase.cron_declared as declared
where job.jobid = declared.jobid and job.jobname <> all ($1)";

impl DeclaredSchedule {
    /// Whether its times can be read.
    pub fn check(&self) -> Result<(), CronError> {
        let fault = |problem: String| CronError::Declared { function: self.function.clone(), problem };
        Schedule::parse(&self.schedule.cron).map_err(|error| fault(error.to_string()))?;
        let zone = self.schedule.timezone.parse::<Tz>();
        zone.map_err(|_| fault(format!("time zone {:?} is not known", self.schedule.timezone)))?;
        Ok(())
    }
}

/// Makes the jobs of the settings equal to `declared`, or changes nothing.
pub(super) async fn reconcile(store: &Store, declared: &[DeclaredSchedule]) -> Result<(), CronError> {
    declared.iter().try_for_each(DeclaredSchedule::check)?;
    let mut session = store.session().await?;
    let transaction = session.transaction().await?;
    // Hosts that start together take turns.
    transaction.batch_execute("lock table isobase.cron_declared in share row exclusive mode").await?;
    let mut counts: HashMap<&FunctionSlug, usize> = HashMap::new();
    let mut names = Vec::with_capacity(declared.len());
    for DeclaredSchedule { function, schedule } in declared {
        let number = counts.entry(function).and_modify(|count| *count += 1).or_insert(1);
        let name = match *number {
            1 => format!("isobase:{function}"),
            number => format!("isobase:{function}:{number}"),
        };
        let command = Work::command(function, &schedule.payload);
        let job: i64 = transaction.query_one(JOB, &[&name, &schedule.cron, &command]).await?.get(0);
        transaction.execute(MARK, &[&job]).await?;
        let retries = i32::try_from(schedule.max_retries).unwrap_or(i32::MAX);
        transaction
            .execute(
                OPTIONS,
                &[&job, &schedule.timezone, &schedule.misfire.as_str(), &schedule.overlap.as_str(), &retries],
            )
            .await?;
        names.push(name);
    }
    transaction.execute(REMOVE, &[&names]).await?;
    transaction.commit().await?;
    Ok(())
}
