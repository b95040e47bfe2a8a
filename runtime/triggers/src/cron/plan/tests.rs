//! A plan on a table: jobs and times in, runs out.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use isobase_base::project::{Misfire, Overlap};

use super::super::job::{Job, Work};
use super::super::schedule::Schedule;
use super::Plan;

const START: &str = "2026-05-01T12:00:00Z";

fn at(seconds: i64) -> DateTime<Utc> {
    START.parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(seconds)
}

fn job(id: i64, schedule: &str, misfire: Misfire) -> Job {
    Job {
        id,
        name: None,
        schedule: Schedule::parse(schedule).unwrap(),
        zone: chrono_tz::UTC,
        anchor: at(0),
        claimed_until: None,
        database: "postgres".into(),
        username: "postgres".into(),
        work: Work::Sql("select 1".into()),
        misfire,
        overlap: Overlap::Queue,
        retries: 0,
        backoff: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
    }
}

fn plan(jobs: &[Job], now: i64) -> Plan {
    let mut plan = Plan::default();
    let jobs: Vec<_> = jobs.iter().cloned().map(Arc::new).collect();
    plan.replace(&jobs, at(now), at(-1));
    plan
}

/// `(job, seconds)` of what is taken at `now` up to `until`.
fn take(plan: &mut Plan, now: i64, until: i64) -> Vec<(i64, i64)> {
    let taken = plan.take(at(now), at(until));
    taken.iter().map(|due| (due.job.id, (due.at - at(0)).num_seconds())).collect()
}

#[test]
fn runs_come_in_order_and_once() {
    let mut plan = plan(&[job(1, "20 seconds", Misfire::Skip), job(2, "*/15 * * * * *", Misfire::Skip)], 0);
    assert_eq!(plan.next_wake(), Some(at(15)));
    assert_eq!(take(&mut plan, 14, 14), []);
    assert_eq!(take(&mut plan, 15, 45), [(2, 15), (1, 20), (2, 30), (1, 40), (2, 45)]);
}

#[test]
fn a_changed_schedule_takes_the_place_of_the_old_one() {
    let mut plan = plan(&[job(1, "20 seconds", Misfire::Skip)], 0);
    let changed = [Arc::new(job(1, "30 seconds", Misfire::Skip))];
    plan.replace(&changed, at(1), at(-1));
    assert_eq!(take(&mut plan, 60, 60), [(1, 60)]);
    // Read again without a change: nothing comes twice.
    plan.replace(&changed, at(61), at(-1));
    assert_eq!(take(&mut plan, 90, 91), [(1, 90)]);
    plan.replace(&[], at(92), at(-1));
    assert_eq!(take(&mut plan, 120, 120), []);
}

#[test]
fn missed_runs_follow_the_policy() {
    let jobs = [
        job(1, "1 minute", Misfire::Skip),
        job(2, "1 minute", Misfire::Once),
        job(3, "1 minute", Misfire::All),
        Job { claimed_until: Some(at(120)), ..job(4, "1 minute", Misfire::All) },
    ];
    let mut plan = plan(&jobs, 250);
    assert_eq!(
        take(&mut plan, 250, 300),
        [
            (2, 240),
            (3, 60),
            (3, 120),
            (3, 180),
            (3, 240),
            (4, 180),
            (4, 240),
            (1, 300),
            (2, 300),
            (3, 300),
            (4, 300)
        ]
    );
    // A year of seconds is not counted through, and not all made up.
    let mut plan = self::plan(&[job(1, "1 second", Misfire::All)], 31_000_000);
    let taken = take(&mut plan, 31_000_000, 30_999_000);
    assert_eq!((taken.len(), taken[99]), (100, (1, 30_999_995)));
}

#[test]
fn a_little_late_is_not_missed() {
    let mut plan = plan(&[job(1, "1 minute", Misfire::Skip)], 64);
    assert_eq!(take(&mut plan, 64, 64), [(1, 60)]);
    // The host stood still.
    assert_eq!(take(&mut plan, 306, 306), []);
    assert_eq!(take(&mut plan, 360, 360), [(1, 360)]);
}

#[test]
fn reboot_jobs_run_once_for_a_start_of_the_server() {
    let reboot = Job { anchor: at(-10), ..job(1, "@reboot", Misfire::Skip) };
    let made_later = job(2, "@reboot", Misfire::Skip);
    let mut plan = plan(&[reboot, made_later], 5000);
    assert_eq!(take(&mut plan, 5000, 5000), [(1, -1)]);
    assert_eq!(plan.next_wake(), None);
}

#[test]
fn what_is_put_back_comes_again_and_nothing_overtakes_it() {
    let mut plan = plan(&[job(1, "* * * * *", Misfire::Skip), job(2, "1 minute", Misfire::Skip)], 0);
    let taken = plan.take(at(60), at(60));
    taken.iter().for_each(|due| plan.put_back(due, at(130)));
    // The next of the first job waits behind it; of an interval only one waits.
    assert_eq!(take(&mut plan, 119, 120), []);
    assert_eq!(take(&mut plan, 130, 130), [(1, 60), (1, 120), (2, 60)]);
    assert_eq!(take(&mut plan, 180, 180), [(1, 180), (2, 180)]);
}
