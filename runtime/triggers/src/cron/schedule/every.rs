//! Intervals: due at the anchor plus one, two, three times the same.

use chrono::{DateTime, Datelike, Months, TimeDelta, Utc};

/// An interval; both numbers above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Every {
    Seconds(i64),
    /// Of the calendar in UTC; 31 January and a month is the last of February.
    Months(u32),
}

const DAY: i64 = 24 * 3600;
/// Ten years, leap days and all.
const SECONDS_MAX: i64 = 3720 * DAY;

impl Every {
    /// `90 seconds`, `2 hours`, `1 month`.
    pub(super) fn parse(amount: &str, unit: &str) -> Option<Self> {
        let is_plain = (1..=9).contains(&amount.len()) && amount.bytes().all(|byte| byte.is_ascii_digit());
        let amount: i64 = is_plain.then(|| amount.parse().ok()).flatten()?;
        let unit = unit.to_ascii_lowercase();
        let unit = unit.strip_suffix('s').unwrap_or(&unit);
        let seconds = match unit {
            "second" => 1,
            "minute" => 60,
            "hour" => 3600,
            "day" => DAY,
            "week" => 7 * DAY,
            "month" => 31 * DAY,
            "year" => 366 * DAY,
            _ => return None,
        };
        if amount == 0 || amount * seconds > SECONDS_MAX {
            return None;
        }
        Some(match unit {
            "month" => Self::Months(amount as u32),
            "year" => Self::Months(amount as u32 * 12),
            _ => Self::Seconds(amount * seconds),
        })
    }

    pub(super) fn next_after(self, after: DateTime<Utc>, anchor: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Seconds(seconds) => {
                let passed = (after - anchor).num_microseconds()?.max(0);
                let times = passed / (seconds * 1_000_000) + 1;
                anchor.checked_add_signed(TimeDelta::seconds(times * seconds))
            }
            Self::Months(months) => {
                let between = i64::from(after.year() - anchor.year()) * 12 + i64::from(after.month())
                    - i64::from(anchor.month());
                let mut times = u32::try_from(between).unwrap_or(0) / months;
                loop {
                    times = times.max(1);
                    let due = anchor.checked_add_months(Months::new(times * months))?;
                    if due > after {
                        return Some(due);
                    }
                    times += 1;
                }
            }
        }
    }
}
