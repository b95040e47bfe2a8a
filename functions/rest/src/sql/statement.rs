//! The whole statement: the work, and around it one row that says how it went.
//!
//! The last column is the body's text; the columns before it are [`super::super::respond::Head`].

use crate::plan::{BodyForm, Mutation, Operation, Plan, insisted_rows};
use crate::request::{Count, Intent, Media, Return, RowRange};
use crate::settings::Settings;

use super::read::RESULT;
use super::{Bound, Sql, quote_literal};

/// A statement and what is bound to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement<'a> {
    pub sql: String,
    pub parameters: Vec<Bound<'a>>,
}

impl<'a> From<Sql<'a>> for Statement<'a> {
    fn from(sql: Sql<'a>) -> Self {
        Self { sql: sql.text, parameters: sql.parameters }
    }
}

/// Headers and status that SQL code has chosen for the response.
pub(super) const CHOSEN: &str = concat!(
    "nullif(current_setting('response.headers', true), '') AS response_headers, ",
    "nullif(current_setting('response.status', true), '') AS response_status, "
);

/// The statement of `plan`, and one that asks for the planner's estimate where it is wanted. Nothing
/// for plans that need no rows.
pub(crate) fn statement<'a>(
    plan: &Plan<'a>,
    intent: &Intent<'a>,
    settings: &Settings,
) -> Option<(Statement<'a>, Option<Statement<'a>>)> {
    let mut sql = Sql::new();
    let explained = explain(&mut sql, &plan.media);
    let estimated = !explained && matches!(intent.preferences.count, Some(Count::Planned | Count::Estimated));
    let mut estimate = None;
    match &plan.operation {
        Operation::Read { tree, .. } => {
            let needs_rows = plan.form == BodyForm::Csv;
            let versioned = intent.is_versioned() && plan.form != BodyForm::None;
            if versioned {
                sql.versioned_read(tree);
            }
            if needs_rows {
                sql.push("WITH pgrst_rows AS (").rows_of(tree, None).push(") ");
            }
            sql.push("SELECT ");
            total(&mut sql, plan, intent, settings);
            sql.push(" AS total, count(*) AS page, ").push(CHOSEN);
            if let Some(keyset) = tree.additions.keyset.as_ref().filter(|_| !versioned) {
                sql.push("json_build_object('next', ").last_place(tree, keyset).push(")::text AS beyond, ");
            }
            sql.body(plan.form, None).push(" AS body FROM (");
            if needs_rows {
                sql.push("SELECT * FROM pgrst_rows")
            } else {
                sql.rows_of(tree, None)
            };
            sql.push(if versioned { ") _t) _e" } else { ") _t" });
            if estimated {
                let mut explain = Sql::new();
                explain.push("EXPLAIN (FORMAT JSON) ").count_rows_of(tree, None);
                estimate = Some(explain.into());
            }
        }
        Operation::Write { .. } => write(&mut sql, plan, intent),
        Operation::Call { tree, call } => {
            // The last column is read last: what the function says of the response comes before it.
            let kept = if plan.form == BodyForm::Raw { " AS MATERIALIZED (" } else { " AS (" };
            sql.push("WITH ").push(RESULT).push(kept).call(call).push(")");
            let needs_rows = plan.form == BodyForm::Csv;
            if needs_rows {
                sql.push(", pgrst_rows AS (").rows_of(tree, None).push(")");
            }
            sql.push(" SELECT ");
            total(&mut sql, plan, intent, settings);
            sql.push(" AS total, ");
            if call.function.returns_one() {
                sql.push("1::bigint")
            } else {
                sql.counted_rows(insisted_rows(plan, intent).as_ref())
            };
            sql.push(" AS page, ").push(CHOSEN).body(plan.form, Some(call.function)).push(" AS body FROM ");
            // One row even where a range leaves the only one out.
            sql.push(if plan.form == BodyForm::Raw { "(VALUES (1)) _ LEFT JOIN (" } else { "(" });
            if needs_rows {
                sql.push("SELECT * FROM pgrst_rows")
            } else {
                sql.rows_of(tree, None)
            };
            sql.push(if plan.form == BodyForm::Raw { ") _t ON true" } else { ") _t" });
        }
        Operation::Root | Operation::Describe(_) => return None,
    }
    Some((sql.into(), estimate))
}

/// How many rows there are without the range, if the client wants to know.
fn total<'a>(sql: &mut Sql<'a>, plan: &Plan<'a>, intent: &Intent<'_>, settings: &Settings) {
    let (tree, one) = match &plan.operation {
        Operation::Read { tree, .. } => (tree, false),
        Operation::Call { tree, call } => (tree, call.function.returns_one()),
        Operation::Write { .. } | Operation::Root | Operation::Describe(_) => return,
    };
    if !intent.preferences.counts_rows() {
        sql.push("null::bigint");
    } else if settings.rows_max.is_none() && intent.range == RowRange::ALL {
        // Nothing was left out, so the page is the whole.
        sql.push(if one { "1::bigint" } else { "count(*)" });
    } else {
        sql.push("(SELECT count(*) FROM (").count_rows_of(tree, None);
        if let (Some(Count::Estimated), Some(rows)) = (intent.preferences.count, settings.rows_max) {
            // One more than the most that is shown is enough to know that the estimate counts.
            sql.push(" LIMIT ").push(&(rows + 1).to_string());
        }
        sql.push(") _c)");
    }
}

fn write<'a>(sql: &mut Sql<'a>, plan: &Plan<'a>, intent: &Intent<'_>) {
    let Operation::Write { tree, write, .. } = &plan.operation else { return };
    let is_insert = matches!(write.mutation, Mutation::Insert { .. });
    sql.push("WITH ");
    if write.guarded {
        sql.before(write);
    }
    sql.push(RESULT).push(" AS (").write(write).push(")");
    let needs_rows = plan.form == BodyForm::Csv;
    if needs_rows {
        sql.push(", pgrst_rows AS (").rows_of(tree, None).push(")");
    }
    sql.push(" SELECT ").counted_versions(write, &intent.conditions, insisted_rows(plan, intent).as_ref());
    sql.push(" AS page, ").push(CHOSEN);
    if write.mutation.merges() {
        sql.inserted_rows().push(" AS inserted, ");
    } else {
        sql.push("null::bigint AS inserted, ");
    }
    let wants_location = intent.preferences.returning == Some(Return::HeadersOnly);
    if is_insert && wants_location && !write.structure.primary_key.is_empty() {
        let keys =
            write.structure.primary_key.iter().map(|key| quote_literal(key)).collect::<Vec<_>>().join(", ");
        sql.push("CASE WHEN count(*) = 1 THEN (SELECT json_agg(json_build_array(pair.key, pair.value)) ");
        sql.push("FROM (SELECT row_to_json(r) AS data FROM ").push(RESULT).push(" r LIMIT 1) d, ");
        sql.push("json_each_text(d.data) pair WHERE pair.key IN (")
            .push(&keys)
            .push("))::text END AS location, ");
    } else {
        sql.push("null::text AS location, ");
    }
    sql.written_beyond(write);
    sql.body(plan.form, None).push(" AS body FROM ");
    match plan.form {
        BodyForm::None => sql.push(RESULT).push(" _t"),
        BodyForm::Csv => sql.push("(SELECT * FROM pgrst_rows) _t"),
        BodyForm::Array { .. }
        | BodyForm::Object { .. }
        | BodyForm::GeoJson
        | BodyForm::Lines
        | BodyForm::Handled(_)
        | BodyForm::Raw => sql.push("(").rows_of(tree, None).push(") _t"),
    };
}

/// Begins with `EXPLAIN` if that is what the client wants.
fn explain(sql: &mut Sql<'_>, media: &Media<'_>) -> bool {
    let Media::Plan(explanation) = media else { return false };
    sql.push(if explanation.json { "EXPLAIN (FORMAT JSON" } else { "EXPLAIN (FORMAT TEXT" });
    for option in &explanation.options {
        sql.push(", ").push(option);
    }
    sql.push(") ");
    true
}
