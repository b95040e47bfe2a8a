//! Reads without an end: each row is a line of its own, sent as the server finds it, so that neither the
//! server nor the host holds the result.
//!
//! Nothing of the answer's head may depend on rows that are still to come, so only reads that ask for
//! nothing of the kind are answered in this way; others are one aggregate ([`super::statement`]).

use crate::plan::{BodyForm, Operation, Plan};
use crate::request::{Intent, Media};
use crate::settings::Settings;

use super::{Sql, Statement};

/// As [`super::statement::CHOSEN`], but asked for once, whatever the number of rows.
const CHOSEN_ONCE: &str = concat!(
    "(SELECT nullif(current_setting('response.headers', true), '')) AS response_headers, ",
    "(SELECT nullif(current_setting('response.status', true), '')) AS response_status, "
);

/// One line of JSON. In a column of type json there may be line ends, between its parts and nowhere else.
pub(super) const LINE: [&str; 2] = ["translate(to_json(", ")::text, E'\\n\\r', '  ') || E'\\n'"];

/// Whether `plan` is such a read.
pub(crate) fn is_endless(plan: &Plan<'_>, intent: &Intent<'_>, settings: &Settings) -> bool {
    let Operation::Read { tree, .. } = &plan.operation else { return false };
    matches!((plan.form, &plan.media), (BodyForm::Lines, Media::Lines))
        && intent.preferences.count.is_none()
        && intent.preferences.transaction.is_none()
        && !intent.is_versioned()
        && tree.additions.keyset.is_none()
        && settings.pre_request.is_none()
}

/// The statement of a plan that [`is_endless`], with no estimate beside it.
pub(crate) fn lines<'a>(plan: &Plan<'a>) -> Option<(Statement<'a>, Option<Statement<'a>>)> {
    let Operation::Read { tree, .. } = &plan.operation else { return None };
    let mut sql = Sql::new();
    sql.push("SELECT null::bigint AS total, null::bigint AS page, ").push(CHOSEN_ONCE);
    sql.push(LINE[0]).push("_t").push(LINE[1]).push(" AS body FROM (").rows_of(tree, None).push(") _t");
    Some((sql.into(), None))
}
