//! What clocks show where: the changes of summer time among them.

use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// No clock was ever set forward by more, and no two changes are so close.
const JUMP_MAX: TimeDelta = TimeDelta::hours(26);

pub(super) fn offset_at(instant: DateTime<Utc>, zone: Tz) -> TimeDelta {
    let offset = zone.offset_from_utc_datetime(&instant.naive_utc()).fix();
    TimeDelta::seconds(offset.local_minus_utc().into())
}

pub(super) fn shown_at(instant: DateTime<Utc>, zone: Tz) -> NaiveDateTime {
    instant.with_timezone(&zone).naive_local()
}

/// When a clock first shows `shown`; where it jumps over that, the moment it jumps.
pub(super) fn first_showing(shown: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    match zone.from_local_datetime(&shown) {
        LocalResult::Single(instant) | LocalResult::Ambiguous(instant, _) => instant.to_utc(),
        LocalResult::None => {
            let near = shown.and_utc();
            first_instant(near - JUMP_MAX, near + JUMP_MAX, |instant| shown_at(instant, zone) > shown)
        }
    }
}

/// The first moment after `after` from which on the clock goes differently; `until` does.
pub(super) fn next_change(after: DateTime<Utc>, until: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
    let offset = offset_at(after, zone);
    first_instant(after, until, |instant| offset_at(instant, zone) != offset)
}

/// The first whole second in `low..=high` for which `holds`, which changes once.
fn first_instant(
    low: DateTime<Utc>,
    high: DateTime<Utc>,
    holds: impl Fn(DateTime<Utc>) -> bool,
) -> DateTime<Utc> {
    let (mut low, mut high) = (low.timestamp(), high.timestamp());
    let instant = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::UNIX_EPOCH);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(instant(middle)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    instant(low)
}
