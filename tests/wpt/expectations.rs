//! What is expected to fail, by area: lists that can only shrink.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;
use crate::test_file::suite;

/// Why a subtest is expected to fail.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reason {
    /// Asks for a document, an origin or another part of a browser that a server has no use for.
    Browser,
    /// Deno's crates behave so, at the version we stand on, and Deno expects the same failure.
    Deno,
    /// Ours: Deno passes it.
    Isobase,
    /// Not as the standard is now: it changed after this copy of the suite was made.
    Outdated,
    /// Not in any standard yet.
    Proposal,
    /// Needs a script of the suite's own server that ours does not stand in for.
    Server,
    /// Written by an update and to be replaced by a person.
    Unsorted,
}

/// The expectations of one area, as its file holds them.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expectations {
    /// Of all files together; fewer mean that a test was lost.
    subtests: usize,
    passed: usize,
    #[serde(default)]
    failing: Vec<Failing>,
}

/// Subtests of one file that fail for one reason.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Failing {
    file: String,
    reason: Reason,
    subtests: Vec<String>,
}

pub(crate) type Outcomes = BTreeMap<String, Outcome>;

fn path_of(area: &str) -> PathBuf {
    suite().join("expectations").join(format!("{}.toml", area.replace('/', "_")))
}

impl Expectations {
    pub(crate) fn load(area: &str) -> Self {
        let path = path_of(area);
        let Ok(text) = fs::read_to_string(&path) else { return Self::default() };
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// What is expected of the files whose path holds `wanted` and no others, which had these outcomes.
    pub(crate) fn only(mut self, wanted: &str, outcomes: &Outcomes) -> Self {
        self.failing.retain(|failing| failing.file.contains(wanted));
        (self.subtests, self.passed) = totals(outcomes);
        self
    }

    /// Everything that is not as expected.
    pub(crate) fn differences(&self, outcomes: &Outcomes) -> String {
        let mut text = String::new();
        let expected = self.reasons();
        for (file, outcome) in outcomes {
            for (name, failure) in &outcome.subtests {
                let is_expected = expected.contains_key(&(file.as_str(), name.as_str()));
                match failure {
                    Some(why) if !is_expected => line(&mut text, &format!("{file}: {name:?} fails: {why}")),
                    None if is_expected => {
                        line(&mut text, &format!("{file}: {name:?} passes; take it off the list"))
                    }
                    _ => {}
                }
            }
        }
        for (file, name) in expected.keys() {
            let is_known = outcomes.get(*file).is_some_and(|outcome| outcome.subtests.contains_key(*name));
            if !is_known {
                line(&mut text, &format!("{file}: {name:?} is on the list, and there is no such subtest"));
            }
        }
        for failing in self.failing.iter().filter(|failing| failing.reason == Reason::Unsorted) {
            line(&mut text, &format!("{}: give its failures a reason", failing.file));
        }
        let (subtests, passed) = totals(outcomes);
        if (subtests, passed) != (self.subtests, self.passed) {
            let expected = format!("{} of {}", self.passed, self.subtests);
            line(&mut text, &format!("{passed} of {subtests} subtests pass, expected {expected}"));
        }
        text
    }

    fn reasons(&self) -> BTreeMap<(&str, &str), Reason> {
        let each = |failing: &'_ Failing| failing.reason;
        self.failing
            .iter()
            .flat_map(|failing| failing.subtests.iter().map(move |name| (failing, name)))
            .map(|(failing, name)| ((failing.file.as_str(), name.as_str()), each(failing)))
            .collect()
    }

    /// Writes what happened as what is expected; reasons that are known stay.
    pub(crate) fn update(&self, area: &str, outcomes: &Outcomes) {
        let known = self.reasons();
        let mut failing: BTreeMap<(&str, Reason), BTreeSet<&str>> = BTreeMap::new();
        for (file, outcome) in outcomes {
            for (name, _) in outcome.subtests.iter().filter(|(_, failure)| failure.is_some()) {
                let reason = known.get(&(file.as_str(), name.as_str())).copied().unwrap_or(Reason::Unsorted);
                failing.entry((file, reason)).or_default().insert(name);
            }
        }
        let (subtests, passed) = totals(outcomes);
        let failing = failing
            .into_iter()
            .map(|((file, reason), subtests)| Failing {
                file: file.to_owned(),
                reason,
                subtests: subtests.into_iter().map(str::to_owned).collect(),
            })
            .collect();
        let text = toml::to_string_pretty(&Self { subtests, passed, failing }).expect("it is plain data");
        fs::write(path_of(area), text).expect("the expectations can be written");
    }
}

/// Subtests, and those that passed.
pub(crate) fn totals(outcomes: &Outcomes) -> (usize, usize) {
    let subtests = outcomes.values().map(|outcome| outcome.subtests.len()).sum();
    (subtests, outcomes.values().map(Outcome::passed).sum())
}

fn line(text: &mut String, what: &str) {
    writeln!(text, "{what}").expect("writing to a string cannot fail");
}
