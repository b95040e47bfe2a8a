//! The cases as they lie in the files.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::scenario::{Caller, Scenario};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

/// Requests that belong together.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// The file's name without its ending.
    #[serde(skip)]
    pub(super) file: String,
    /// Unique within its file.
    pub(super) name: String,
    /// What differs from the suite's own configuration, by PostgREST's names.
    #[serde(default)]
    pub(super) config: BTreeMap<String, Setting>,
    pub(super) step: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Setting {
    Text(String),
    List(Vec<String>),
}

/// A request and what must be true of its answer.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// Method, path and query as sent.
    pub(super) request: String,
    #[serde(default)]
    pub(super) headers: Vec<(String, String)>,
    body: Option<String>,
    /// A body that is no text, in base64.
    body_bytes: Option<String>,
    pub(super) status: Option<u16>,
    /// Headers that must be there with this value.
    #[serde(default)]
    pub(super) answers: Vec<(String, String)>,
    /// Headers whose value must hold this text.
    #[serde(default)]
    pub(super) contains: Vec<(String, String)>,
    /// Headers whose value must be another one.
    #[serde(default)]
    pub(super) differs: Vec<(String, String)>,
    /// Headers that must not be there.
    #[serde(default)]
    pub(super) absent: Vec<String>,
    /// The body is an error's, whatever it says.
    #[serde(default)]
    pub(super) problem: bool,
    /// The body as JSON: whitespace, the order of keys and how a number is written do not count.
    pub(super) json: Option<String>,
    #[serde(rename = "text")]
    pub(super) wanted_text: Option<String>,
    /// The body in base64.
    pub(super) bytes: Option<String>,
    /// JSON pointers into the body, and the JSON there.
    #[serde(default)]
    pub(super) members: Vec<(String, String)>,
    /// JSON pointers that lead nowhere.
    #[serde(default)]
    pub(super) no_members: Vec<String>,
    /// JSON pointers that lead somewhere.
    #[serde(default)]
    pub(super) has_members: Vec<String>,
}

impl Step {
    /// The request of one of our own scenarios, with the token of its caller.
    pub(super) fn of(scenario: &Scenario) -> Self {
        let claims = match scenario.caller {
            Caller::Anon => r#"{"role":"anon"}"#,
            Caller::User => r#"{"sub":"11111111-1111-1111-1111-111111111111","role":"authenticated"}"#,
            Caller::Service => r#"{"role":"service_role"}"#,
        };
        let token = format!("Bearer .{}.", URL_SAFE_NO_PAD.encode(claims));
        let mut headers = scenario.headers.clone();
        headers.entry("content-type".to_owned()).or_insert_with(|| "application/json".to_owned());
        let headers = headers.into_iter().chain([("authorization".to_owned(), token)]).collect();
        let body = (!scenario.body.is_empty()).then(|| scenario.body.clone());
        Self { request: scenario.request.clone(), headers, body, ..Self::default() }
    }

    /// A request of which nothing is expected.
    pub(super) fn made(request: String, preference: &str, body: String) -> Self {
        let headers = vec![("prefer".to_owned(), preference.to_owned())];
        Self { request, headers, body: (!body.is_empty()).then_some(body), ..Self::default() }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(super) fn prefers(&self, preference: &str) -> bool {
        self.headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case("prefer"))
            .flat_map(|(_, value)| value.split(','))
            .any(|value| value.trim() == preference)
    }

    /// The body, if it is a text.
    pub(super) fn text(&self) -> Option<&str> {
        self.body.as_deref()
    }

    pub(super) fn set_text(&mut self, text: String) {
        self.body = Some(text);
    }

    pub(super) fn body(&self) -> Vec<u8> {
        match (&self.body, &self.body_bytes) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(bytes)) => STANDARD.decode(bytes).expect("base64"),
            (None, None) => Vec::new(),
        }
    }
}

/// All cases of the folder, in the order of file names.
pub(super) fn load(folder: &Path) -> Vec<Case> {
    let mut paths = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .filter(|path| !path.ends_with("expectations.toml"))
        .collect::<Vec<_>>();
    paths.sort();
    let mut cases = Vec::new();
    for path in paths {
        let file: File = read(&path);
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a readable name");
        cases.extend(file.case.into_iter().map(|case| Case { file: name.to_owned(), ..case }));
    }
    cases
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectations {
    #[serde(default)]
    known: Vec<Known>,
    #[serde(default)]
    skipped: Vec<Skipped>,
}

/// Cases that mean nothing without an extension, which not every Postgres has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Skipped {
    without: String,
    file: String,
    cases: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// Why these fail.
    reason: String,
    file: String,
    cases: Vec<String>,
}

/// File and name of a case.
pub(super) type Name = (String, String);

/// Reasons of what fails, and extensions of what is skipped without them.
pub(super) fn expectations(path: &Path) -> (BTreeMap<Name, String>, BTreeMap<Name, String>) {
    let expectations: Expectations = read(path);
    let mut extensions = BTreeMap::new();
    for Skipped { without, file, cases } in expectations.skipped {
        extensions.extend(cases.into_iter().map(|case| ((file.clone(), case), without.clone())));
    }
    let mut reasons = BTreeMap::new();
    for Known { reason, file, cases } in expectations.known {
        for case in cases {
            let twice = reasons.insert((file.clone(), case.clone()), reason.clone());
            assert!(twice.is_none(), "{file}: {case} is expected to fail twice");
        }
    }
    (reasons, extensions)
}

fn read<T: for<'d> Deserialize<'d>>(path: &Path) -> T {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
