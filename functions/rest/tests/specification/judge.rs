//! Answers against what a step expects.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use isobase_rest::{Answer, AnswerBody};
use serde_json::Value;

use super::case::Step;

/// An answer as a client sees it.
pub(super) struct Given {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Given {
    /// `document` is the body that stayed with the host.
    pub(super) fn new(method: &str, answer: Answer, document: Option<Vec<u8>>) -> Self {
        let body = match answer.body {
            AnswerBody::Empty => Vec::new(),
            AnswerBody::Text(text) => text.into_bytes(),
            AnswerBody::Document => document.unwrap_or_default(),
        };
        let mut headers = answer.headers;
        let counted = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        // As the server in front does.
        if !counted && method != "HEAD" && answer.status != 204 {
            headers.push(("content-length".to_owned(), body.len().to_string()));
        }
        Self { status: answer.status, headers, body }
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn values<'g>(&'g self, name: &'g str) -> impl Iterator<Item = &'g str> {
        let named = move |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.headers.iter().filter(named).map(|(_, value)| value.as_str())
    }

    /// One line for each expectation that does not hold.
    pub(super) fn faults(&self, step: &Step) -> String {
        let mut report = String::new();
        if let Some(status) = step.status.filter(|status| *status != self.status) {
            let _ = writeln!(report, "    status {} instead of {status}", self.status);
        }
        self.compare_headers(step, &mut report);
        self.compare_body(step, &mut report);
        report
    }

    fn compare_headers(&self, step: &Step, report: &mut String) {
        let mut fault = |name: &str, wanted: &str| {
            let given = self.values(name).collect::<Vec<_>>().join(" | ");
            let _ = writeln!(report, "    header {name}: {given:?} instead of {wanted}");
        };
        for (name, wanted) in &step.answers {
            if !self.values(name).any(|value| value == wanted) {
                fault(name, &format!("{wanted:?}"));
            }
        }
        for (name, wanted) in &step.contains {
            if !self.values(name).any(|value| value.contains(wanted)) {
                fault(name, &format!("one with {wanted:?}"));
            }
        }
        for (name, unwanted) in &step.differs {
            if self.values(name).all(|value| value == unwanted) {
                fault(name, "another value");
            }
        }
        for name in &step.absent {
            if self.values(name).next().is_some() {
                fault(name, "none");
            }
        }
    }

    fn compare_body(&self, step: &Step, report: &mut String) {
        if let Some(wanted) = step.wanted_text.as_deref().filter(|wanted| wanted.as_bytes() != self.body) {
            let _ = writeln!(report, "    text instead of: {wanted}");
        }
        let bytes = step.bytes.as_ref().map(|wanted| STANDARD.decode(wanted).expect("base64"));
        if bytes.is_some_and(|wanted| wanted != self.body) {
            let _ = writeln!(report, "    other bytes");
        }
        let given = serde_json::from_slice::<Value>(&self.body).ok();
        if let Some(wanted) = &step.json
            && !given.as_ref().is_some_and(|given| same(given, &parse(wanted)))
        {
            let _ = writeln!(report, "    JSON instead of: {wanted}");
        }
        if step.problem && given.as_ref().is_none_or(|given| given.get("message").is_none()) {
            let _ = writeln!(report, "    no error's body");
        }
        let member = |pointer: &str| given.as_ref().and_then(|given| given.pointer(pointer));
        for (pointer, wanted) in &step.members {
            if !member(pointer).is_some_and(|given| same(given, &parse(wanted))) {
                let given = member(pointer).map(Value::to_string);
                let _ = writeln!(report, "    {pointer}: {given:?} instead of {wanted}");
            }
        }
        for pointer in step.no_members.iter().filter(|pointer| member(pointer).is_some()) {
            let _ = writeln!(report, "    {pointer} should not be there");
        }
        for pointer in step.has_members.iter().filter(|pointer| member(pointer).is_none()) {
            let _ = writeln!(report, "    {pointer} should be there");
        }
    }
}

/// Whether two values are the same to a client: 1.0 is 1.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("expected JSON {json}: {error}"))
}
