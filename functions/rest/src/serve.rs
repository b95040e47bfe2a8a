//! A request from beginning to end: parse, plan, act, render.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::batch;
use crate::catalog::Catalog;
use crate::nested;
use crate::plan::{Operation, Plan, insisted_rows, is_safe_call, plan};
use crate::problem::{Problem, SqlFault};
use crate::request::{Incoming, Intent, Media, Parameters, Payload, Preferences, TransactionEnd, read_body};
use crate::respond::{Answer, Head, HeadColumns, HeadValue, check, open_api, respond};
use crate::settings::Settings;
use crate::sql::{Statement, is_endless, is_other_version, lines, quote_identifier, refused_rows, statement};
use crate::stopwatch::Stopwatch;

/// What a request needs from outside.
pub trait Host {
    /// The whole body.
    fn read_body(&mut self) -> Result<Vec<u8>, Problem>;

    /// Runs `work`. The last column stays with the host, to be the body of the answer.
    fn run(&mut self, work: Work<'_>) -> Result<Ran, HostError>;

    /// Runs a statement of one text in a transaction of its own, without writing.
    fn read_text(&mut self, work: Work<'_>) -> Result<String, HostError>;

    /// Runs an `EXPLAIN`; all its lines.
    fn explain(&mut self, work: Work<'_>) -> Result<Vec<String>, HostError>;

    /// The Postgres role of the caller.
    fn role(&mut self) -> Cow<'_, str>;

    /// Whether [`Work::as_lines`] can be done.
    fn takes_lines(&self) -> bool {
        true
    }

    /// Told of every head before it is answered with; may take away what SQL code chose.
    fn chosen(&mut self, _head: &mut Head) {}
}

/// Several statements in one transaction, for a [`Host`] that can.
pub trait Steps {
    /// Opens the transaction. One that nobody ends is rolled back.
    fn begin(&mut self, settings: &[(String, String)], read_only: bool) -> Result<(), HostError>;

    /// Runs a statement of one row. Its last column comes as a text of `bytes_max` at most; for a
    /// longer one the problem is [`Problem::results_too_long`].
    fn step(&mut self, statement: Statement<'_>, bytes_max: usize) -> Result<Step, HostError>;

    fn end(&mut self, end: End) -> Result<(), HostError>;
}

/// The row of one statement among several.
pub struct Step {
    /// All columns but the last.
    pub head: Vec<HeadValue>,
    pub document: Option<String>,
}

/// How a transaction of several statements ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Commit,
    Rollback,
}

/// A statement with the transaction it wants.
pub struct Work<'w> {
    pub read_only: bool,
    /// Settings of the transaction, in this order.
    pub settings: &'w [(String, String)],
    /// To be run first, in the same transaction.
    pub before: Option<String>,
    pub statement: Statement<'w>,
    /// To be run as well: an `EXPLAIN` of how many rows there are.
    pub estimate: Option<Statement<'w>>,
    /// Roll back even when all went well.
    pub rolls_back: bool,
    /// The statement has any number of rows, whose last columns, one after another, are the body.
    pub as_lines: bool,
}

/// The outcome of [`Work`].
pub struct Ran {
    /// All columns but the last.
    pub head: Vec<HeadValue>,
    /// What `EXPLAIN` said, as JSON.
    pub explanation: Option<String>,
    /// The rows of [`Work::as_lines`], unless more are coming.
    pub rows: Option<i64>,
}

/// Why [`Work`] failed.
pub enum HostError {
    Sql(SqlFault),
    Problem(Problem),
}

impl From<Problem> for HostError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Answers one request, or a batch of them.
pub fn serve(
    incoming: &Incoming<'_>,
    catalog: &Catalog,
    settings: &Settings,
    host: &mut (impl Host + Steps),
) -> Answer {
    let mut stopwatch = Stopwatch::start(settings.server_timing_enabled);
    let answer = if batch::may_be(incoming, settings) {
        Ok(batch::serve(incoming, catalog, settings, host))
    } else {
        serve_one(incoming, catalog, settings, host, &mut stopwatch)
    };
    let answer = match answer {
        Ok(answer) => answer.maybe_header("Server-Timing", stopwatch.header()),
        Err(problem) => Answer::failed(problem, settings),
    };
    match &settings.trace_header {
        Some(name) => answer.header(name, incoming.header(name).unwrap_or("")),
        None => answer,
    }
}

/// A request that is no batch.
pub(crate) fn serve_one(
    incoming: &Incoming<'_>,
    catalog: &Catalog,
    settings: &Settings,
    host: &mut (impl Host + Steps),
    stopwatch: &mut Stopwatch,
) -> Result<Answer, Problem> {
    let parameters = Parameters::decode(incoming.query);
    let intent = Intent::parse(incoming, &parameters, settings)?;
    if let Some(nested) = nested::asked_for(&intent) {
        return nested::serve(incoming, &parameters, &intent, nested, catalog, settings, host);
    }
    let body = if intent.needs_body() { Some(host.read_body()?) } else { None };
    let payload = match &body {
        Some(bytes) => Some(read_body(bytes, &intent.content, intent.action.is_call())?),
        None => intent.passes_body().then_some(Payload::Unread),
    };
    stopwatch.lap("parse");
    let plan = plan(&intent, payload.as_ref(), catalog, settings)?;
    let transaction = transaction_settings(incoming, &intent, &plan.operation, settings);
    let (columns, read_only) = match &plan.operation {
        Operation::Describe(methods) => return Ok(Answer::allowed(methods)),
        Operation::Root => {
            let statement = open_api::statement(intent.schema, settings);
            stopwatch.lap("plan");
            let work = Work::reading(&transaction, statement);
            let text = host.read_text(work).map_err(|error| problem(error, host, settings))?;
            stopwatch.lap("transaction");
            let document = open_api::document(&text, incoming, &intent, catalog, settings, &plan.media)?;
            return Ok(Answer::open_api(document, &plan.media, &intent));
        }
        Operation::Read { .. } => (HeadColumns::Read, true),
        Operation::Write { .. } => (HeadColumns::Write, false),
        Operation::Call { call, .. } => (HeadColumns::Read, is_safe_call(intent.action, call.function)),
    };
    let as_lines = host.takes_lines() && is_endless(&plan, &intent, settings);
    let made = if as_lines { lines(&plan) } else { statement(&plan, &intent, settings) };
    let Some((statement, estimate)) = made else {
        return Err(Problem::internal("A request that needs rows has no statement."));
    };
    let work = Work {
        read_only,
        settings: &transaction,
        before: settings.pre_request.as_deref().map(pre_request),
        statement,
        estimate,
        rolls_back: intent.preferences.transaction == Some(TransactionEnd::Rollback),
        as_lines,
    };
    stopwatch.lap("plan");
    if let Media::Plan(_) = plan.media {
        let lines = host.explain(work).map_err(|error| problem(error, host, settings))?;
        stopwatch.lap("transaction");
        return Ok(Answer::explained(&lines, &plan, &intent));
    }
    let ran = host
        .run(work)
        .map_err(|error| refusal(&error, &plan, &intent).unwrap_or_else(|| problem(error, host, settings)))?;
    stopwatch.lap("transaction");
    let mut head = Head::decode(columns, ran.head);
    if as_lines {
        (head.page, head.uncounted) = (ran.rows.unwrap_or(0), ran.rows.is_none());
    }
    head.estimate = ran.explanation.as_deref().and_then(Head::planned_rows);
    host.chosen(&mut head);
    check(&plan, &intent, head.page)?;
    respond(&plan, &intent, incoming, &parameters, settings, &head)
}

impl<'w> Work<'w> {
    fn reading(settings: &'w [(String, String)], statement: Statement<'w>) -> Self {
        let (before, estimate) = (None, None);
        Self { read_only: true, settings, before, statement, estimate, rolls_back: false, as_lines: false }
    }
}

/// What the client is told when the statement failed for the number of its rows, or their version.
pub(crate) fn refusal(error: &HostError, plan: &Plan<'_>, intent: &Intent<'_>) -> Option<Problem> {
    let HostError::Sql(fault) = error else { return None };
    if intent.is_guarded() && is_other_version(fault) {
        return Some(Problem::other_version());
    }
    insisted_rows(plan, intent)?;
    check(plan, intent, refused_rows(fault)?).err()
}

pub(crate) fn problem(error: HostError, host: &mut impl Host, settings: &Settings) -> Problem {
    match error {
        HostError::Sql(fault) => Problem::from_sql(&fault, host.role() != settings.anonymous_role),
        HostError::Problem(problem) => problem,
    }
}

/// `schema.function` as a call.
pub(crate) fn pre_request(name: &str) -> String {
    let parts = name.split('.').map(quote_identifier).collect::<Vec<_>>();
    format!("select {}()", parts.join("."))
}

/// What SQL code can ask about the request, by `current_setting`. The host adds role and claims.
fn transaction_settings(
    incoming: &Incoming<'_>,
    intent: &Intent<'_>,
    operation: &Operation<'_>,
    settings: &Settings,
) -> Vec<(String, String)> {
    let mut transaction = shared_settings(incoming, intent.schema, &intent.preferences, settings);
    if let Operation::Call { call, .. } = operation {
        transaction.extend(call.function.settings.iter().cloned());
    }
    transaction
}

/// The settings that do not depend on what the request does.
pub(crate) fn shared_settings(
    incoming: &Incoming<'_>,
    schema: &str,
    preferences: &Preferences<'_>,
    settings: &Settings,
) -> Vec<(String, String)> {
    let search_path = [schema]
        .into_iter()
        .chain(settings.extra_search_path.iter().map(String::as_str))
        .map(quote_identifier)
        .collect::<Vec<_>>()
        .join(", ");
    let mut transaction = vec![
        ("search_path".to_owned(), search_path),
        ("request.method".to_owned(), incoming.method.to_owned()),
        ("request.path".to_owned(), incoming.path.to_owned()),
        ("request.headers".to_owned(), headers(incoming)),
        ("request.cookies".to_owned(), cookies(incoming)),
    ];
    if let Some(zone) = preferences.timezone {
        transaction.push(("timezone".to_owned(), zone.to_owned()));
    }
    if let Some(isolation) = preferences.isolation {
        transaction.push(("transaction_isolation".to_owned(), isolation.level().to_owned()));
    }
    transaction
}

/// Headers that say nothing to SQL code, or hold the caller's API key.
const HIDDEN_HEADERS: [&str; 2] = ["cookie", "apikey"];

/// Sorted by name; of several headers of one name the last one counts.
fn headers(incoming: &Incoming<'_>) -> String {
    let shown = incoming.headers.iter().filter(|(name, _)| !HIDDEN_HEADERS.contains(&name.as_str()));
    let mut shown = shown.collect::<Vec<_>>();
    shown.sort_by(|one, two| one.0.cmp(&two.0));
    let mut text = String::with_capacity(512);
    for (index, (name, value)) in shown.iter().enumerate() {
        if shown.get(index + 1).is_some_and(|(next, _)| next == name) {
            continue;
        }
        text.push(if text.is_empty() { '{' } else { ',' });
        push_json(&mut text, name);
        text.push(':');
        push_json(&mut text, &String::from_utf8_lossy(value));
    }
    text.push_str(if text.is_empty() { "{}" } else { "}" });
    text
}

/// A text as JSON writes it. Most need no escapes, and this runs for every header of every request.
fn push_json(text: &mut String, value: &str) {
    if value.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
        text.push_str(&Value::from(value).to_string());
    } else {
        text.push('"');
        text.push_str(value);
        text.push('"');
    }
}

fn cookies(incoming: &Incoming<'_>) -> String {
    let Some(header) = incoming.header("cookie") else { return "{}".to_owned() };
    let mut object = Map::new();
    for (name, value) in header.split(';').filter_map(|pair| pair.split_once('=')) {
        object.insert(name.trim().to_owned(), value.trim().trim_matches('"').to_owned().into());
    }
    Value::Object(object).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::headers;
    use crate::request::Incoming;

    fn shown(given: &[(&str, &[u8])]) -> Value {
        let given: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
        let incoming = Incoming { method: "GET", path: "/", query: "", headers: &given };
        serde_json::from_str(&headers(&incoming)).expect("JSON")
    }

    #[test]
    fn headers_are_one_object() {
        assert_eq!(shown(&[]), json!({}));
        assert_eq!(shown(&[("apikey", b"secret"), ("cookie", b"a=b")]), json!({}));
        let given: [(&str, &[u8]); 5] = [
            ("x-two", b"first"),
            ("accept", b"*/*"),
            ("x-two", b"second"),
            ("x-odd", b"say \"hi\" \\ \t\x01"),
            ("x-bytes", b"\xff\xc3\xa9"),
        ];
        let expected = json!({
            "accept": "*/*", "x-two": "second", "x-odd": "say \"hi\" \\ \t\u{1}", "x-bytes": "\u{fffd}\u{e9}"
        });
        assert_eq!(shown(&given), expected);
    }
}
