//! Times of the calendar: five or six fields.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;

use super::field::{DAY_OF_MONTH, Field, HOUR, MINUTE, MONTH, SECOND, WEEKDAY};
use super::zone;

/// Days looked through before a schedule counts as never due: 29 February on a given day of the week
/// comes at least every 40 years.
const DAYS_MAX: u64 = 41 * 366;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Calendar {
    seconds: Field,
    minutes: Field,
    hours: Field,
    days_of_month: Field,
    months: Field,
    weekdays: Field,
}

impl Calendar {
    pub(super) fn parse(fields: &[&str]) -> Option<Self> {
        let (seconds, fields) = match fields {
            [seconds, rest @ ..] if rest.len() == 5 => (Field::parse(seconds, &SECOND)?, rest),
            _ => (Field::only(0), fields),
        };
        let [minutes, hours, days_of_month, months, weekdays] = fields else { return None };
        Some(Self {
            seconds,
            minutes: Field::parse(minutes, &MINUTE)?,
            hours: Field::parse(hours, &HOUR)?,
            days_of_month: Field::parse(days_of_month, &DAY_OF_MONTH)?,
            months: Field::parse(months, &MONTH)?,
            weekdays: Field::parse(weekdays, &WEEKDAY)?,
        })
    }

    /// The first time after `after` at which a clock in `zone` shows what the fields say.
    ///
    /// Where the clock jumps ahead, what it leaves out is due at the jump; where it is set back, what
    /// it shows twice is due the first time. A schedule for every hour goes by the time that passes
    /// instead: nothing is made up at the jump, and both of two equal hours count.
    pub(super) fn next_after(&self, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        if self.hours.is_full(23) {
            return self.next_by_elapsed_time(after, zone);
        }
        let mut shown = zone::shown_at(after, zone);
        loop {
            shown = self.next_shown(shown)?;
            let due = zone::first_showing(shown, zone);
            if due > after {
                return Some(due);
            }
        }
    }

    fn next_by_elapsed_time(&self, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let mut since = after;
        let mut shown = zone::shown_at(after, zone);
        loop {
            let offset = zone::offset_at(since, zone);
            let due = self.next_shown(shown)?.and_utc().checked_sub_signed(offset)?;
            if zone::offset_at(due, zone) == offset {
                return Some(due);
            }
            // The clock is changed in between, so look again from there; the moment itself counts.
            since = zone::next_change(since, due, zone);
            shown = zone::shown_at(since, zone) - TimeDelta::seconds(1);
        }
    }

    /// The first matching time on the clock's face after `after`.
    fn next_shown(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let from = after.with_nanosecond(0)?.checked_add_signed(TimeDelta::seconds(1))?;
        let mut date = from.date();
        let mut time = from.time();
        for _ in 0..DAYS_MAX {
            if self.has_day(date)
                && let Some(time) = self.next_time(time)
            {
                return Some(date.and_time(time));
            }
            date = date.checked_add_days(Days::new(1))?;
            time = NaiveTime::MIN;
        }
        None
    }

    /// The first matching time of a day, not before `from`.
    fn next_time(&self, from: NaiveTime) -> Option<NaiveTime> {
        let mut hour = self.hours.from(from.hour())?;
        let (mut minute, mut second) =
            if hour == from.hour() { (from.minute(), from.second()) } else { (0, 0) };
        loop {
            if let Some(found) = self.minutes.from(minute) {
                let from_second = if found == minute { second } else { 0 };
                if let Some(second) = self.seconds.from(from_second) {
                    return NaiveTime::from_hms_opt(hour, found, second);
                }
                (minute, second) = (found + 1, 0);
            } else {
                hour = self.hours.from(hour + 1)?;
                (minute, second) = (0, 0);
            }
        }
    }

    /// Both kinds of days are joined by "or" where neither begins with `*`, else by "and".
    fn has_day(&self, date: NaiveDate) -> bool {
        let is_last_day = date.checked_add_days(Days::new(1)).is_none_or(|next| next.day() == 1);
        let of_month =
            self.days_of_month.has(date.day()) || (is_last_day && self.days_of_month.has_last_day());
        let number = date.weekday().num_days_from_sunday();
        let of_week = self.weekdays.has(number) || (number == 0 && self.weekdays.has(7));
        let is_either = !self.days_of_month.is_star && !self.weekdays.is_star;
        let has_day = if is_either { of_month || of_week } else { of_month && of_week };
        has_day && self.months.has(date.month())
    }
}
