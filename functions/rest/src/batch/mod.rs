//! Several requests in one transaction: `POST /` with a JSON array of them.
//!
//! All or nothing. Each item goes the way of a single request, from its text to its statement; only
//! the transaction is everybody's. So what belongs to a transaction belongs to the batch: role, claims,
//! schema, time zone, isolation, and what SQL code reads of the request by `current_setting`. With a
//! pre-request function there are no batches: it could not see what the items ask for.
//!
//! An item may name values of the results before it ([`reference`]).
//!
//! PostgREST answers `POST /` with 405; so does this for a body that is no array.

mod item;
mod reference;
mod within;

use std::fmt::Write as _;
use std::ops::Range;

use serde_json::Value;

use crate::catalog::Catalog;
use crate::problem::Problem;
use crate::request::{Handling, Incoming, Intent, Media, Parameters, Preferences, TransactionEnd, schema};
use crate::respond::{Answer, AnswerBody, Head, apply_chosen};
use crate::serve::{End, Host, Steps, problem, serve_one, shared_settings};
use crate::settings::Settings;
use crate::stopwatch::Stopwatch;

use item::{Item, is_json};
use reference::{Values, in_path, look_up};
use within::Within;

/// Requests in one batch. Each holds the connection a little longer.
const ITEMS_MAX: usize = 100;
/// Bytes of a batch. It is read whole, and each item's body is bound from it.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of all results together. They are held until the transaction is done, for an answer sent
/// earlier could not be taken back.
const RESULT_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Whether `incoming` may be a batch; its body decides.
pub(crate) fn may_be(incoming: &Incoming<'_>, settings: &Settings) -> bool {
    incoming.method == "POST" && matches!(incoming.path, "" | "/") && settings.pre_request.is_none()
}

/// Answers a batch.
pub(crate) fn serve<H: Host + Steps>(
    incoming: &Incoming<'_>,
    catalog: &Catalog,
    settings: &Settings,
    host: &mut H,
) -> Answer {
    match try_serve(incoming, catalog, settings, host) {
        Ok(answer) => answer,
        Err(Failure { item, cause }) => {
            let answer = match cause {
                Cause::Problem(problem) => Answer::failed(problem, settings),
                Cause::Answer(answer) => answer,
            };
            match item {
                Some(item) => numbered(answer, item),
                None => answer,
            }
        }
    }
}

/// Why a batch came to nothing.
struct Failure {
    /// Counted from zero; none when it is the whole.
    item: Option<usize>,
    cause: Cause,
}

enum Cause {
    Problem(Problem),
    /// A range beyond the rows is told by the answer.
    Answer(Answer),
}

impl Failure {
    fn of(item: usize, problem: Problem) -> Self {
        Self { item: Some(item), cause: Cause::Problem(problem) }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { item: None, cause: Cause::Problem(problem) }
    }
}

/// An error with the number of the item as one more member.
fn numbered(mut answer: Answer, item: usize) -> Answer {
    if let AnswerBody::Text(body) = &mut answer.body
        && body.ends_with('}')
    {
        body.pop();
        let _ = write!(body, r#","item":{item}}}"#);
    }
    answer
}

fn try_serve<H: Host + Steps>(
    incoming: &Incoming<'_>,
    catalog: &Catalog,
    settings: &Settings,
    host: &mut H,
) -> Result<Answer, Failure> {
    let (schema, _) = schema(incoming, settings)?;
    let declared = incoming.header("content-length").and_then(|text| text.parse::<usize>().ok());
    if declared.is_some_and(|bytes| bytes > BODY_BYTES_MAX) {
        return Err(Problem::batch_too_long(BODY_BYTES_MAX).into());
    }
    let body = host.read_body()?;
    if body.len() > BODY_BYTES_MAX {
        return Err(Problem::batch_too_long(BODY_BYTES_MAX).into());
    }
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[') {
        return Err(no_batch(incoming, settings).into());
    }
    let items = read(&body)?;
    let preferences = Preferences::parse(incoming.header_values("prefer"), settings.transaction_end_allowed);
    if preferences.handling == Some(Handling::Strict) && !preferences.unknown.is_empty() {
        return Err(Problem::unknown_preferences(&preferences.unknown).into());
    }
    let transaction = shared_settings(incoming, schema, &preferences, settings);
    let read_only = items.iter().all(Item::is_safe);
    host.begin(&transaction, read_only).map_err(|error| problem(error, host, settings))?;
    let mut results = Results::new();
    for (index, item) in items.iter().enumerate() {
        if let Err(failure) = results.add(index, item, schema, catalog, settings, host) {
            // The failure is what the client reads; a failing rollback would end in the same state.
            let _ = host.end(End::Rollback);
            return Err(failure);
        }
    }
    let rolls_back = preferences.transaction == Some(TransactionEnd::Rollback);
    let end = if rolls_back { End::Rollback } else { End::Commit };
    host.end(end).map_err(|error| problem(error, host, settings))?;
    results.answer(preferences.applied_to_batch())
}

/// What PostgREST says to `POST /`.
fn no_batch(incoming: &Incoming<'_>, settings: &Settings) -> Problem {
    let parameters = Parameters::decode(incoming.query);
    Intent::parse(incoming, &parameters, settings)
        .err()
        .unwrap_or_else(|| Problem::unsupported_method("POST"))
}

fn read(body: &[u8]) -> Result<Vec<Item<'_>>, Failure> {
    let items: Vec<Item<'_>> =
        serde_json::from_slice(body).map_err(|fault| Problem::malformed_batch(&fault.to_string()))?;
    if items.len() > ITEMS_MAX {
        return Err(Problem::batch_of_too_many(ITEMS_MAX).into());
    }
    for (index, item) in items.iter().enumerate() {
        item.check().map_err(|why| Failure::of(index, Problem::malformed_batch(&why)))?;
    }
    Ok(items)
}

/// The answer in the making, one result after the other.
struct Results {
    text: String,
    /// Where each result is in the text.
    places: Vec<Range<usize>>,
    bytes_left: usize,
    /// What SQL code chose for the response, which is one for all items.
    chosen: Head,
}

impl Results {
    fn new() -> Self {
        Self {
            text: "[".to_owned(),
            places: Vec::new(),
            bytes_left: RESULT_BYTES_MAX,
            chosen: Head::default(),
        }
    }

    fn add<H: Host + Steps>(
        &mut self,
        index: usize,
        item: &Item<'_>,
        schema: &str,
        catalog: &Catalog,
        settings: &Settings,
        host: &mut H,
    ) -> Result<(), Failure> {
        let values = self.values(item).map_err(|why| Failure::of(index, Problem::no_result(&why)))?;
        let malformed = |why: String| Failure::of(index, Problem::malformed_batch(&why));
        let body = item.body(&values).map_err(malformed)?;
        let headers = item.headers(schema);
        let target = in_path(&item.path, &values);
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let incoming = Incoming { method: &item.method, path, query, headers: &headers };
        let mut within = Within::new(host, body, self.bytes_left, &mut self.chosen);
        let answer = serve_one(&incoming, catalog, settings, &mut within, &mut Stopwatch::start(false))
            .map_err(|problem| Failure::of(index, problem))?;
        if answer.status >= 400 {
            return Err(Failure { item: Some(index), cause: Cause::Answer(answer) });
        }
        let text = match &answer.body {
            AnswerBody::Empty => None,
            AnswerBody::Text(text) => Some(text.as_str()),
            AnswerBody::Document => within.document.as_deref(),
        };
        self.bytes_left = self.bytes_left.saturating_sub(text.map_or(0, str::len));
        self.write(index, &answer, text);
        Ok(())
    }

    /// What `item` takes from the results so far.
    fn values(&self, item: &Item<'_>) -> Result<Values, String> {
        if item.with.is_empty() {
            return Ok(Values::new());
        }
        let results = self.places.iter().map(|place| &self.text[place.clone()]).collect::<Vec<_>>();
        look_up(&item.with, &results)
    }

    fn write(&mut self, index: usize, answer: &Answer, body: Option<&str>) {
        let mut headers = serde_json::Map::new();
        for (name, value) in &answer.headers {
            headers.insert(name.to_ascii_lowercase(), value.as_str().into());
        }
        let is_json = headers.get("content-type").and_then(Value::as_str).is_some_and(is_json);
        if index > 0 {
            self.text.push(',');
        }
        let start = self.text.len();
        let headers = Value::Object(headers);
        let _ = write!(self.text, r#"{{"status":{},"headers":{headers},"body":"#, answer.status);
        match body {
            Some(body) if is_json => self.text.push_str(body),
            Some(body) => self.text.push_str(&Value::from(body).to_string()),
            None => self.text.push_str("null"),
        }
        self.text.push('}');
        self.places.push(start..self.text.len());
    }

    fn answer(mut self, applied: Option<String>) -> Result<Answer, Failure> {
        self.text.push(']');
        let mut headers = vec![("Content-Type".to_owned(), Media::Json.content_type())];
        headers.extend(applied.map(|applied| ("Preference-Applied".to_owned(), applied)));
        let answer = Answer { status: 200, headers, body: AnswerBody::Text(self.text) };
        Ok(apply_chosen(answer, &self.chosen)?)
    }
}
