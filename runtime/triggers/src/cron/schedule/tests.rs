//! Tables of schedules: what is read, what is refused, when they are due; and croner as a second opinion.

use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, TimeZone, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds};
use proptest::prelude::*;

use super::Schedule;

/// Read alike by the host and by the database; `tests/it/schedules.txt` holds the same for both.
const SAMPLES: &str = include_str!("../../../tests/it/schedules.txt");

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The next times after `after`, as a clock in `zone` shows them, with its offset.
#[track_caller]
fn check(schedule: &str, zone: &str, after: &str, expected: &[&str]) {
    let schedule = Schedule::parse(schedule).unwrap();
    let zone: Tz = zone.parse().unwrap();
    let mut time = instant(after);
    let mut found = Vec::new();
    for _ in expected {
        let Some(next) = schedule.next_after(time, zone, instant("2026-01-31T10:00:00.25Z")) else { break };
        assert!(next > time);
        time = next;
        found.push(next.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::AutoSi, true));
    }
    assert_eq!(found, expected);
}

#[test]
fn samples_are_read_or_refused() {
    for line in SAMPLES.lines().filter(|line| !line.is_empty()) {
        let (mark, text) = line.split_at(1);
        let is_valid = Schedule::parse(&text[1..]).is_ok();
        assert_eq!(is_valid, mark == "+", "{line}");
    }
}

#[test]
fn times_of_the_calendar() {
    let after = "2026-02-27T23:58:30Z";
    check("*/20 * * * *", "UTC", after, &["2026-02-28T00:00:00Z", "2026-02-28T00:20:00Z"]);
    check("59 23 * * *", "UTC", after, &["2026-02-27T23:59:00Z", "2026-02-28T23:59:00Z"]);
    check(
        "0 12 $ * *",
        "UTC",
        after,
        &["2026-02-28T12:00:00Z", "2026-03-31T12:00:00Z", "2026-04-30T12:00:00Z"],
    );
    check("0 0 29 2 *", "UTC", after, &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]);
    check("0 0 30 2 *", "UTC", after, &[]);
    check("0 0 * * 7", "UTC", after, &["2026-03-01T00:00:00Z", "2026-03-08T00:00:00Z"]);
    check(
        "0 0 * * fri-sun",
        "UTC",
        after,
        &["2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z", "2026-03-06T00:00:00Z"],
    );
    check("@weekly", "UTC", after, &["2026-03-01T00:00:00Z"]);
    check("@yearly", "UTC", after, &["2027-01-01T00:00:00Z"]);
    check("@reboot", "UTC", after, &[]);
    check("15 58 23 * * *", "UTC", after, &["2026-02-28T23:58:15Z"]);
    check(
        "*/10 58 23 * * *",
        "UTC",
        after,
        &["2026-02-27T23:58:40Z", "2026-02-27T23:58:50Z", "2026-02-28T23:58:00Z"],
    );
}

#[test]
fn days_of_the_month_and_of_the_week_are_joined_as_in_vixies_cron() {
    let after = "2026-06-01T12:00:00Z";
    // Either: neither begins with a star.
    check(
        "0 0 13 * 5",
        "UTC",
        after,
        &["2026-06-05T00:00:00Z", "2026-06-12T00:00:00Z", "2026-06-13T00:00:00Z"],
    );
    // Both: a step over everything still begins with one.
    check("0 0 13 * */5", "UTC", after, &["2026-09-13T00:00:00Z", "2026-11-13T00:00:00Z"]);
    check("0 0 13 * *", "UTC", after, &["2026-06-13T00:00:00Z"]);
}

#[test]
fn intervals_count_from_the_anchor() {
    check(
        "90 seconds",
        "UTC",
        "2026-01-31T10:00:00.25Z",
        &["2026-01-31T10:01:30.250Z", "2026-01-31T10:03:00.250Z"],
    );
    check("1 second", "UTC", "2026-01-31T10:00:05.250Z", &["2026-01-31T10:00:06.250Z"]);
    check(
        "10 days",
        "UTC",
        "2026-01-01T00:00:00Z",
        &["2026-02-10T10:00:00.250Z", "2026-02-20T10:00:00.250Z"],
    );
    check(
        "1 Month",
        "UTC",
        "2026-01-31T10:00:00.25Z",
        &["2026-02-28T10:00:00.250Z", "2026-03-31T10:00:00.250Z"],
    );
    check(
        "2 years",
        "UTC",
        "2029-01-01T00:00:00Z",
        &["2030-01-31T10:00:00.250Z", "2032-01-31T10:00:00.250Z"],
    );
}

#[test]
fn what_the_clock_jumps_over_is_due_at_the_jump() {
    let after = "2026-03-29T00:00:00Z";
    check("30 2 * * *", "Europe/Berlin", after, &["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]);
    check(
        "*/20 2 * * *",
        "Europe/Berlin",
        after,
        &["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"],
    );
    check("0 2,3 * * *", "Europe/Berlin", after, &["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"]);
    // Half an hour, on Lord Howe Island.
    check(
        "15 2 * * *",
        "Australia/Lord_Howe",
        "2026-10-03T12:00:00Z",
        &["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"],
    );
    // A schedule for every hour does not notice.
    check("30 * * * *", "Europe/Berlin", after, &["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"]);
    check("0 * * * *", "Europe/Berlin", after, &["2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"]);
}

#[test]
fn what_the_clock_shows_twice_is_due_once() {
    let after = "2026-10-24T23:00:00Z";
    check("30 2 * * *", "Europe/Berlin", after, &["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]);
    check(
        "*/30 2 * * *",
        "Europe/Berlin",
        after,
        &["2026-10-25T02:00:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-26T02:00:00+01:00"],
    );
    check("0 3 * * *", "Europe/Berlin", after, &["2026-10-25T03:00:00+01:00"]);
    // A schedule for every hour counts both.
    check(
        "30 * * * *",
        "America/New_York",
        "2026-11-01T05:00:00Z",
        &["2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00", "2026-11-01T02:30:00-05:00"],
    );
    check(
        "0 * * * *",
        "America/New_York",
        "2026-11-01T05:00:00Z",
        &["2026-11-01T01:00:00-05:00", "2026-11-01T02:00:00-05:00"],
    );
}

fn field(low: u32, high: u32) -> impl Strategy<Value = String> {
    let number = low..=high;
    let range = (number.clone(), number.clone()).prop_map(|(one, two)| (one.min(two), one.max(two)));
    let part = prop_oneof![
        number.prop_map(|number| number.to_string()),
        range.clone().prop_map(|(first, last)| format!("{first}-{last}")),
        (range, 1..9_u32).prop_map(|((first, last), step)| format!("{first}-{last}/{step}")),
    ];
    let list = prop::collection::vec(part, 1..3).prop_map(|parts| parts.join(","));
    prop_oneof![2 => Just("*".to_owned()), 3 => list]
}

fn days() -> impl Strategy<Value = String> {
    prop_oneof![4 => field(1, 31), 1 => Just("$".to_owned())]
}

proptest! {
    #[test]
    fn croner_says_the_same(
        seconds in field(0, 59), minutes in field(0, 59), hours in field(0, 23), days in days(),
        months in field(1, 12), weekdays in field(0, 6), start in 1_700_000_000_i64..2_000_000_000,
    ) {
        let ours = format!("{seconds} {minutes} {hours} {days} {months} {weekdays}");
        let theirs = CronParser::builder().seconds(Seconds::Required).build().parse(&ours.replace('$', "L"));
        let theirs: Cron = theirs.unwrap();
        let schedule = Schedule::parse(&ours).unwrap();
        let mut time = Utc.timestamp_opt(start, 0).unwrap();
        for _ in 0..3 {
            let found = schedule.next_after(time, Tz::UTC, time);
            let expected = match theirs.find_next_occurrence(&time, false) {
                Ok(expected) => Some(expected),
                Err(CronError::TimeSearchLimitExceeded) => None,
                Err(error) => panic!("{ours}: {error}"),
            };
            prop_assert_eq!(found, expected, "{} after {}", ours, time);
            let Some(expected) = expected else { break };
            time = expected;
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-*/,$@0-9a-z ]{0,24}") {
        if let Ok(schedule) = Schedule::parse(&text) {
            let zone = Tz::from_str("Europe/Berlin").unwrap();
            let now = instant("2026-03-28T23:00:00Z");
            prop_assert!(schedule.next_after(now, zone, now).is_none_or(|next| next > now));
        }
    }
}
