//! Rows with the rows that belong to them, written by one request: `Prefer: nested=insert` and
//! `nested=update`.
//!
//! Members of the body that are called as embeds of `select` hold rows of the embedded relation. One
//! transaction with a statement per level, not one statement for all: policies and triggers of a row
//! look for the row it belongs to, and what a statement writes it does not see itself. Rows that others
//! refer to come first, and their keys, as Postgres returns them, go into those that refer to them. The
//! representation is a read at the end.
//!
//! An update takes rows that name their key for rows that may be there: they are updated in what they
//! name, and only those that no statement has found are inserted.

mod flow;
mod keys;
mod level;
mod row;
mod write;

use serde_json::value::RawValue;

use crate::catalog::Catalog;
use crate::plan::{Operation, Plan, nested_plan};
use crate::problem::Problem;
use crate::request::{Action, Incoming, Intent, Media, Nested, Parameters, Resource, Return, TransactionEnd};
use crate::respond::{Answer, AnswerBody, Head, check, respond};
use crate::serve::{End, Host, HostError, Steps, pre_request, problem, refusal, shared_settings};
use crate::settings::Settings;
use crate::sql::{Statement, read_by_keys};

use level::Writer;
use row::Row;

/// Bytes of a body. It is held as text, once whole and once by levels.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of what comes back: keys of one level, or the representation.
const RESULT_BYTES_MAX: usize = 10 * 1024 * 1024;

/// What `intent` does to rows inside of the rows that it writes, if it is about them.
pub(crate) fn asked_for(intent: &Intent<'_>) -> Option<Nested> {
    let nested = intent.preferences.nested.filter(|nested| nested.goes_with(intent.action))?;
    let is_meant = matches!(intent.resource, Resource::Relation(_)) && intent.content == Media::Json;
    is_meant.then_some(nested)
}

/// Answers such a request.
pub(crate) fn serve<H: Host + Steps>(
    incoming: &Incoming<'_>,
    parameters: &Parameters<'_>,
    intent: &Intent<'_>,
    nested: Nested,
    catalog: &Catalog,
    settings: &Settings,
    host: &mut H,
) -> Result<Answer, Problem> {
    let body = host.read_body()?;
    if body.len() > BODY_BYTES_MAX {
        return Err(Problem::nested_too_long(BODY_BYTES_MAX));
    }
    let raw: &RawValue =
        serde_json::from_slice(&body).map_err(|_| Problem::broken_body("Empty or invalid json"))?;
    let plan = nested_plan(intent, catalog, settings)?;
    if let Media::Plan(_) = plan.media {
        return Err(Problem::not_acceptable(&intent.accepted));
    }
    let Operation::Write { tree, .. } = &plan.operation else { return Err(unplanned()) };
    let rows = row::read(tree, raw, intent.query.columns.as_deref())?;
    let transaction = shared_settings(incoming, intent.schema, &intent.preferences, settings);
    host.begin(&transaction, false).map_err(|error| problem(error, host, settings))?;
    let outcome = act(&plan, rows, Writer::new(host, intent, catalog, nested), settings);
    let (mut head, document) = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            // The error is what the client reads; a failing rollback would end in the same state.
            let _ = host.end(End::Rollback);
            let refused = refusal(&error, &plan, intent);
            return Err(refused.unwrap_or_else(|| problem(error, host, settings)));
        }
    };
    let rolls_back = intent.preferences.transaction == Some(TransactionEnd::Rollback);
    let end = if rolls_back { End::Rollback } else { End::Commit };
    host.end(end).map_err(|error| problem(error, host, settings))?;
    host.chosen(&mut head);
    let answer = respond(&plan, intent, incoming, parameters, settings, &head)?;
    Ok(match (&answer.body, document) {
        (AnswerBody::Document, Some(text)) => Answer { body: AnswerBody::Text(text), ..answer },
        _ => answer,
    })
}

/// Everything between the transaction's beginning and its end: the head of the answer, and its body.
fn act<H: Host + Steps>(
    plan: &Plan<'_>,
    rows: Vec<Row<'_>>,
    mut writer: Writer<'_, H>,
    settings: &Settings,
) -> Result<(Head, Option<String>), HostError> {
    let Operation::Write { tree, write, .. } = &plan.operation else { return Err(unplanned().into()) };
    if let Some(sql) = settings.pre_request.as_deref().map(pre_request) {
        writer.run(Statement { sql, parameters: Vec::new() })?;
    }
    let keys = writer.write_root(tree, write, rows)?;
    let page = i64::try_from(keys.len()).unwrap_or(i64::MAX);
    check(plan, writer.intent, page)?;
    let returning = writer.intent.preferences.returning;
    let mut document = None;
    if returning == Some(Return::Representation) {
        if write.structure.primary_key.is_empty() {
            return Err(Problem::nested_unnamed(write.relation).into());
        }
        document = writer.run(read_by_keys(write, tree, keys.objects(), plan.form))?.document;
    }
    let location = || keys.location(&write.structure.primary_key);
    let wants_location = returning == Some(Return::HeadersOnly) && writer.intent.action == Action::Create;
    let head = Head {
        page,
        headers: writer.headers.take(),
        status: writer.status.take(),
        inserted: writer.inserted,
        location: wants_location.then(location).flatten(),
        ..Head::default()
    };
    Ok((head, document))
}

fn unplanned() -> Problem {
    Problem::internal("A nested write is not planned as a write.")
}
