//! One row of `cron.job` with its options, read.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use isobase_base::project::{Misfire, Overlap};
use isobase_base::{FunctionSlug, limits};
use tokio_postgres::Row;

use super::schedule::Schedule;

/// A job that is active.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: i64,
    pub(super) name: Option<String>,
    pub(super) schedule: Schedule,
    pub(super) zone: Tz,
    /// Where intervals count from, and before which nothing was missed.
    pub(super) anchor: DateTime<Utc>,
    /// The latest run that some host has claimed.
    pub(super) claimed_until: Option<DateTime<Utc>>,
    pub(super) database: String,
    pub(super) username: String,
    pub(super) work: Work,
    pub(super) misfire: Misfire,
    pub(super) overlap: Overlap,
    /// Attempts after the first.
    pub(super) retries: u32,
    pub(super) backoff: Duration,
    pub(super) timeout: Duration,
}

/// What a run does.
#[derive(Clone, Debug)]
pub(super) enum Work {
    Sql(String),
    /// `function:<slug>`, and JSON after a space.
    Function {
        slug: FunctionSlug,
        payload: Box<serde_json::value::RawValue>,
    },
    /// A command that begins like the call of a function and goes on otherwise, or one that its role may
    /// not give; each run fails with this text.
    Refused(String),
}

const FUNCTION: &str = "function:";

/// Why a row is left out of the plan.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnusableJob {
    #[error(transparent)]
    Schedule(#[from] super::InvalidSchedule),
    #[error("time zone {0:?} is not known")]
    TimeZone(String),
}

impl Job {
    /// A row of [`super::store::Store::jobs`].
    pub(super) fn read(row: &Row) -> Result<Self, UnusableJob> {
        let id: i64 = row.get("jobid");
        let schedule = Schedule::parse(row.get("schedule"))?;
        let zone: &str = row.get("timezone");
        let zone = zone.parse().map_err(|_| UnusableJob::TimeZone(zone.to_owned()))?;
        let anchored_at: DateTime<Utc> = row.get("anchored_at");
        let seconds = |name: &str| row.get::<_, Option<f64>>(name).map(Duration::from_secs_f64);
        let may_call: bool = row.get("may_call");
        Ok(Self {
            id,
            name: row.get("jobname"),
            anchor: anchored_at + phase(id, &schedule),
            schedule,
            zone,
            claimed_until: row.get("claimed_until"),
            database: row.get("database"),
            username: row.get("username"),
            work: Work::parse(row.get("command"), may_call, row.get("username")),
            misfire: Misfire::parse(row.get("misfire")).unwrap_or(Misfire::Skip),
            overlap: Overlap::parse(row.get("overlap")).unwrap_or(Overlap::Queue),
            retries: u32::try_from(row.get::<_, i32>("max_retries")).unwrap_or(0),
            backoff: seconds("backoff").unwrap_or(Duration::from_secs(1)),
            timeout: seconds("timeout").unwrap_or(limits::CRON_RUN_TIMEOUT),
        })
    }

    /// Whether both are due at the same times.
    pub(super) fn has_times_of(&self, other: &Self) -> bool {
        self.schedule == other.schedule && self.zone == other.zone && self.anchor == other.anchor
    }

    pub(super) fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.schedule.next_after(after, self.zone, self.anchor)
    }

    /// Runs that may wait for the one before them.
    pub(super) fn waiting_max(&self) -> usize {
        match self.overlap {
            Overlap::Queue if self.misfire == Misfire::All => limits::CRON_MISFIRES_MAX,
            Overlap::Queue if self.schedule.is_interval() => 1,
            Overlap::Queue => limits::CRON_QUEUED_RUNS_MAX,
            Overlap::Skip | Overlap::Allow => 0,
        }
    }

    /// Before the attempt after `attempt`, which counts from 1.
    pub(super) fn pause_after(&self, attempt: u32) -> Duration {
        let doubled = self.backoff.saturating_mul(1 << (attempt.saturating_sub(1)).min(20));
        doubled.min(limits::CRON_BACKOFF_MAX)
    }
}

/// Intervals have no moment of their own in a second, so they get different ones: a thousand jobs that
/// were made together do not begin together for ever.
fn phase(id: i64, schedule: &Schedule) -> TimeDelta {
    if !schedule.is_interval() {
        return TimeDelta::zero();
    }
    // Multiples of the golden ratio fill a circle evenly, however many there are.
    let fraction = (id as f64 * 0.618_033_988_749_895).fract();
    TimeDelta::microseconds((fraction * 1e6) as i64)
}

impl Work {
    fn parse(command: &str, may_call: bool, username: &str) -> Self {
        let Some(call) = command.trim().strip_prefix(FUNCTION) else { return Self::Sql(command.to_owned()) };
        if !may_call {
            return Self::Refused(format!(
                "role {username:?} may not call functions: it is no member of service_role"
            ));
        }
        let (slug, payload) = call.split_once(char::is_whitespace).unwrap_or((call, "null"));
        let payload = serde_json::from_str(payload.trim());
        match (FunctionSlug::parse(slug), payload) {
            (Ok(slug), Ok(payload)) => Self::Function { slug, payload },
            (Err(error), _) => Self::Refused(error.to_string()),
            (_, Err(error)) => Self::Refused(format!("the function's payload is not JSON: {error}")),
        }
    }

    /// What `cron.job` holds for a function.
    pub(super) fn command(slug: &FunctionSlug, payload: &str) -> String {
        if payload == "null" { format!("{FUNCTION}{slug}") } else { format!("{FUNCTION}{slug} {payload}") }
    }
}

#[cfg(test)]
mod tests {
    use super::Work;

    #[test]
    fn commands_are_sql_or_a_function() {
        let parse = |command| Work::parse(command, true, "postgres");
        assert!(matches!(parse("select 1"), Work::Sql(sql) if sql == "select 1"));
        let Work::Function { slug, payload } = parse(" function:report {\"a\": 1} ") else { panic!() };
        assert_eq!((slug.as_str(), payload.get()), ("report", "{\"a\": 1}"));
        let Work::Function { payload, .. } = parse("function:report") else { panic!() };
        assert_eq!(payload.get(), "null");
        assert!(matches!(parse("function:2fast"), Work::Refused(_)));
        assert!(matches!(parse("function:report {a"), Work::Refused(why) if why.contains("not JSON")));
        assert!(
            matches!(Work::parse("function:report", false, "x"), Work::Refused(why) if why.contains("\"x\""))
        );
    }
}
