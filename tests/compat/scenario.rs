//! Scenarios as data: a request, and what any server that speaks this API answers.
//!
//! The files name no server: the same ones are played against a running isobase ([`super::runner`]),
//! against the data API's library on a bare Postgres, and can be played against the original.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

/// One request and its answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// Unique within all files.
    pub(crate) name: String,
    /// `GET /items?select=id`: method, path below the API's root and query, as sent.
    pub(crate) request: String,
    #[serde(default)]
    pub(crate) caller: Caller,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) body: String,
    pub(crate) status: u16,
    /// Headers that must have this value; an empty value means there is no such header, and `…` at
    /// the end stands for any rest.
    #[serde(default)]
    pub(crate) answers: BTreeMap<String, String>,
    /// The body as JSON: whitespace and the order of keys do not count.
    pub(crate) json: Option<String>,
    /// The body byte by byte.
    pub(crate) text: Option<String>,
    /// Members that the body, a JSON object, must have; others may be there.
    pub(crate) has: Option<String>,
    /// Parts of the body, which is JSON, by pointer (RFC 6901); an empty text means there is no such
    /// part.
    #[serde(default)]
    pub(crate) parts: BTreeMap<String, String>,
    /// A setting that is not the default, which the server must have been started with.
    pub(crate) setting: Option<Setting>,
}

/// Whose key or token is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Caller {
    #[default]
    Anon,
    /// The user 11111111-1111-1111-1111-111111111111.
    User,
    Service,
}

/// What the server must allow for the scenario to make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Setting {
    /// `sum()` and its kin.
    Aggregates,
    /// `Prefer: tx=rollback`.
    Rollback,
    /// Two rows at most.
    Capped,
    /// The description at `/` is switched off.
    Undescribed,
    /// The description at `/` shows what the caller may not touch.
    Unguarded,
    /// The description at `/` says how to send a token, and that the API is at
    /// `https://example.org/api`.
    Addressed,
    /// `/` is answered by the function `front_page`.
    Fronted,
    /// Plans are shown.
    Explained,
    /// Plans are shown, and `Prefer: tx=rollback` counts.
    Rehearsed,
    /// Responses say where the time went, and repeat the header `X-Trace`.
    Timed,
    /// Errors are told without details and hint.
    Terse,
}

/// What a server answered.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scenario: Vec<Scenario>,
}

/// All scenarios of the `.toml` files in `folder`, in the order of file names.
///
/// # Panics
/// When a file cannot be read or two scenarios share a name: the data is part of the test.
pub(crate) fn load(folder: &Path) -> Vec<Scenario> {
    let mut paths = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect::<Vec<_>>();
    paths.sort();
    let mut names = std::collections::BTreeSet::new();
    let mut scenarios = Vec::new();
    for path in paths {
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for scenario in file.scenario {
            assert!(names.insert(scenario.name.clone()), "two scenarios are called {:?}", scenario.name);
            scenarios.push(scenario);
        }
    }
    scenarios
}

impl Scenario {
    pub(crate) fn method(&self) -> &str {
        self.request.split_once(' ').map_or("GET", |(method, _)| method)
    }

    /// Path and query.
    pub(crate) fn target(&self) -> &str {
        self.request.split_once(' ').map_or(self.request.as_str(), |(_, target)| target)
    }

    /// Whether the rows may differ afterwards.
    pub(crate) fn writes(&self) -> bool {
        !matches!(self.method(), "GET" | "HEAD" | "OPTIONS")
    }

    /// What is not as expected; `None` when all is.
    pub(crate) fn mismatch(&self, given: &Given) -> Option<String> {
        let mut report = String::new();
        if given.status != self.status {
            let _ = writeln!(report, "  status {} instead of {}", given.status, self.status);
        }
        for (name, expected) in &self.answers {
            let found =
                given.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
            let as_expected = match found {
                Some(found) => match expected.strip_suffix('…') {
                    Some(start) => found.starts_with(start),
                    None => found == expected,
                },
                None => expected.is_empty(),
            };
            if !as_expected {
                let _ = writeln!(report, "  header {name}: {found:?} instead of {expected:?}");
            }
        }
        self.compare_body(&given.body, &mut report);
        (!report.is_empty()).then(|| {
            let body: String = given.body.chars().take(600).collect();
            format!("{}\n  {}\n{report}  body was: {body}\n", self.name, self.request)
        })
    }

    fn compare_body(&self, body: &str, report: &mut String) {
        if let Some(expected) = self.text.as_deref().filter(|expected| *expected != body) {
            let _ = writeln!(report, "  text instead of: {expected}");
        }
        if let Some(expected) = &self.json {
            let expected: Value = parse(expected, &self.name);
            if serde_json::from_str::<Value>(body).ok().as_ref() != Some(&expected) {
                let _ = writeln!(report, "  JSON instead of: {expected}");
            }
        }
        if !self.parts.is_empty() {
            let given = serde_json::from_str::<Value>(body).unwrap_or(Value::Null);
            for (pointer, expected) in &self.parts {
                let expected = (!expected.is_empty()).then(|| parse(expected, &self.name));
                let found = given.pointer(pointer);
                if found != expected.as_ref() {
                    let _ = writeln!(report, "  {pointer} is {found:?} instead of {expected:?}");
                }
            }
        }
        if let Some(expected) = &self.has {
            let expected: Value = parse(expected, &self.name);
            let given = serde_json::from_str::<Value>(body).unwrap_or(Value::Null);
            for (key, value) in expected.as_object().into_iter().flatten() {
                if given.get(key) != Some(value) {
                    let _ = writeln!(report, "  member {key} instead of: {value}");
                }
            }
        }
    }
}

fn parse(json: &str, name: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{name}: expected JSON: {error}"))
}
