//! What is due next, over all jobs. Pure: time comes in as a value.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use isobase_base::limits;
use isobase_base::project::Misfire;

use super::job::Job;
use super::schedule::Schedule;

#[derive(Default)]
pub(super) struct Plan {
    jobs: HashMap<i64, Planned>,
    heap: BinaryHeap<Reverse<Entry>>,
    generations: u64,
}

struct Planned {
    job: Arc<Job>,
    /// Entries of another generation are of an older definition.
    generation: u64,
    /// Runs that were put back, and those due after them. They are claimed in one statement: the latest
    /// claim of a job tells what it has missed, so none may overtake another.
    waiting: VecDeque<DateTime<Utc>>,
}

/// Ordered by when to look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    wake: DateTime<Utc>,
    due: DateTime<Utc>,
    job: i64,
    generation: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Its successor follows from it.
    Regular,
    /// By itself; it cannot be missed.
    Single,
    /// To claim again what was put back.
    Retry,
}

/// A run that is to be claimed.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub(super) job: Arc<Job>,
    pub(super) at: DateTime<Utc>,
}

fn lateness_max() -> TimeDelta {
    TimeDelta::from_std(limits::CRON_LATENESS_MAX).expect("the bound is some seconds")
}

impl Plan {
    /// Takes the place of all jobs before. Those with the same times keep their place in the plan.
    pub(super) fn replace(&mut self, jobs: &[Arc<Job>], now: DateTime<Utc>, server_start: DateTime<Utc>) {
        let mut before = std::mem::take(&mut self.jobs);
        for job in jobs {
            let known = before.remove(&job.id).filter(|known| known.job.has_times_of(job));
            let generation = known.as_ref().map_or_else(
                || {
                    self.generations += 1;
                    self.generations
                },
                |known| known.generation,
            );
            let is_new = known.is_none();
            let waiting = known.map(|known| known.waiting).unwrap_or_default();
            self.jobs.insert(job.id, Planned { job: Arc::clone(job), generation, waiting });
            if is_new {
                self.enter(job, generation, now, server_start);
            }
        }
    }

    fn enter(&mut self, job: &Job, generation: u64, now: DateTime<Utc>, server_start: DateTime<Utc>) {
        if job.schedule == Schedule::Reboot {
            if job.anchor < server_start {
                self.heap.push(Reverse(Entry {
                    wake: server_start,
                    due: server_start,
                    job: job.id,
                    generation,
                    kind: Kind::Single,
                }));
            }
            return;
        }
        let known_until = job.claimed_until.map_or(job.anchor, |claimed| claimed.max(job.anchor));
        let since = match job.misfire {
            Misfire::Skip => known_until.max(now - lateness_max()),
            Misfire::Once | Misfire::All => known_until,
        };
        self.follow(job, generation, since);
    }

    /// Enters the first time after `since`.
    fn follow(&mut self, job: &Job, generation: u64, since: DateTime<Utc>) {
        match job.next_after(since) {
            Some(due) => self.heap.push(Reverse(Entry {
                wake: due,
                due,
                job: job.id,
                generation,
                kind: Kind::Regular,
            })),
            None => tracing::info!(job = job.id, name = job.name, "this schedule is never due again"),
        }
    }

    /// When there is something to take; entries of former definitions may make it early.
    pub(super) fn next_wake(&self) -> Option<DateTime<Utc>> {
        self.heap.peek().map(|Reverse(entry)| entry.wake)
    }

    /// Takes what is due up to `until`, and what was missed and is to be made up.
    pub(super) fn take(&mut self, now: DateTime<Utc>, until: DateTime<Utc>) -> Vec<Due> {
        let mut taken = Vec::new();
        while let Some(Reverse(entry)) = self.heap.peek().copied() {
            if entry.wake > until || taken.len() >= limits::CRON_CLAIMS_MAX {
                break;
            }
            self.heap.pop();
            let planned =
                self.jobs.get_mut(&entry.job).filter(|planned| planned.generation == entry.generation);
            let Some(planned) = planned else { continue };
            let job = Arc::clone(&planned.job);
            let times = match entry.kind {
                Kind::Single => vec![entry.due],
                Kind::Retry => planned.waiting.drain(..).collect(),
                Kind::Regular => {
                    let times = self.regular(&job, entry, now);
                    self.unless_others_wait(job.id, times)
                }
            };
            taken.extend(times.into_iter().map(|at| Due { job: Arc::clone(&job), at }));
        }
        taken
    }

    /// The runs that `entry` stands for; enters its successor.
    fn regular(&mut self, job: &Job, entry: Entry, now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        if now - entry.due <= lateness_max() {
            self.follow(job, entry.generation, entry.due);
            return vec![entry.due];
        }
        let missed = missed(job, entry.due, now);
        if !missed.is_empty() {
            tracing::info!(job = job.id, name = job.name, runs = missed.len(), "making up for missed runs");
        }
        self.follow(job, entry.generation, now - lateness_max());
        missed
    }

    /// Hands `times` back, or makes them wait behind those of their job that were put back.
    fn unless_others_wait(&mut self, job: i64, times: Vec<DateTime<Utc>>) -> Vec<DateTime<Utc>> {
        match self.jobs.get_mut(&job).filter(|planned| !planned.waiting.is_empty()) {
            Some(planned) => {
                times.into_iter().for_each(|at| planned.wait(at));
                Vec::new()
            }
            None => times,
        }
    }

    /// To be claimed again later: another host still has the run before it. Dropped where as many wait
    /// as may.
    pub(super) fn put_back(&mut self, due: &Due, wake: DateTime<Utc>) {
        let Some(planned) = self.jobs.get_mut(&due.job.id) else { return };
        let is_first = planned.waiting.is_empty();
        planned.wait(due.at);
        if is_first && !planned.waiting.is_empty() {
            let (job, generation) = (due.job.id, planned.generation);
            self.heap.push(Reverse(Entry { wake, due: due.at, job, generation, kind: Kind::Retry }));
        }
    }
}

impl Planned {
    fn wait(&mut self, at: DateTime<Utc>) {
        if self.waiting.len() < self.job.waiting_max() {
            self.waiting.push_back(at);
        }
    }
}

/// The runs from `first` on that are too late to be simply late, as far as the job wants them.
fn missed(job: &Job, first: DateTime<Utc>, now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let wanted = match job.misfire {
        Misfire::Skip => return Vec::new(),
        Misfire::Once => 1,
        Misfire::All => limits::CRON_MISFIRES_MAX,
    };
    let until = now - lateness_max();
    // Backwards in growing steps, because only the last ones are wanted and there may be millions.
    let mut span = TimeDelta::minutes(1);
    loop {
        let since = (until - span).max(first - TimeDelta::microseconds(1));
        let times = std::iter::successors(job.next_after(since), |due| job.next_after(*due));
        let mut times: Vec<_> = times.take_while(|due| *due <= until).collect();
        if times.len() >= wanted || since < first {
            return times.split_off(times.len().saturating_sub(wanted));
        }
        span = span * 4;
    }
}

#[cfg(test)]
mod tests;
