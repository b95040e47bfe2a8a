//! When a job is due: what `cron.schedule()` takes, read and reckoned with.
//!
//! - five fields as in Vixie's cron and pg_cron, with `$` for the last day of the month;
//! - `@hourly` and its sisters, `@reboot`;
//! - `30 seconds`, as in pg_cron, and beyond: `90 seconds`, `2 hours`, `10 days`, `1 month`;
//! - six fields, seconds first: ours.
//!
//! `isobase.cron_schedule_is_valid` in the database accepts exactly what [`Schedule::parse`] does.

mod calendar;
mod every;
mod field;
mod zone;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use calendar::Calendar;
use every::Every;

/// When a job is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// At times of the calendar, in the job's time zone.
    Calendar(Calendar),
    /// Again and again after the same time, counted from the job's anchor.
    Every(Every),
    /// Once for each start of the database server.
    Reboot,
}

/// A text that is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid schedule: {0}")]
pub struct InvalidSchedule(String);

/// Longer texts are refused by the database as well.
const CHARACTERS_MAX: usize = 1_000;

impl Schedule {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidSchedule> {
        Self::read(text).ok_or_else(|| InvalidSchedule(text.to_owned()))
    }

    fn read(text: &str) -> Option<Self> {
        if text.chars().count() > CHARACTERS_MAX {
            return None;
        }
        let is_space = |char| matches!(char, ' ' | '\t' | '\n' | '\r');
        let words: Vec<&str> = text.split(is_space).filter(|word| !word.is_empty()).collect();
        let calendar = |fields: &[&str]| Calendar::parse(fields).map(Self::Calendar);
        match words.as_slice() {
            ["@reboot" | "@restart"] => Some(Self::Reboot),
            ["@yearly" | "@annually"] => calendar(&["0", "0", "1", "1", "*"]),
            ["@monthly"] => calendar(&["0", "0", "1", "*", "*"]),
            ["@weekly"] => calendar(&["0", "0", "*", "*", "0"]),
            ["@daily" | "@midnight"] => calendar(&["0", "0", "*", "*", "*"]),
            ["@hourly"] => calendar(&["0", "*", "*", "*", "*"]),
            [amount, unit] => Every::parse(amount, unit).map(Self::Every),
            fields => calendar(fields),
        }
    }

    /// The first time after `after`; `None` where there is none, as on 30 February. `anchor` is where
    /// intervals count from.
    pub(crate) fn next_after(
        &self,
        after: DateTime<Utc>,
        zone: Tz,
        anchor: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        match self {
            Self::Calendar(calendar) => calendar.next_after(after, zone),
            Self::Every(every) => every.next_after(after, anchor),
            Self::Reboot => None,
        }
    }

    /// Of runs that come this often one may wait for another, as in pg_cron.
    pub(crate) fn is_interval(&self) -> bool {
        matches!(self, Self::Every(_))
    }
}

#[cfg(test)]
mod tests;
