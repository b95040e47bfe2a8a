//! Headers that PostgREST does not send, and conditions that it does not know.

use serde::Deserialize;

use crate::plan::{Operation, Plan};
use crate::problem::Problem;
use crate::request::{Incoming, Intent, Parameters, Place, Tags};

use super::{Answer, AnswerBody, Head};

/// What the head's own object says.
#[derive(Debug, Default, Deserialize)]
struct Beyond {
    /// The place of a full page's last row.
    #[serde(default)]
    next: Option<Vec<Option<String>>>,
    /// The version of the rows that were read or written.
    #[serde(default)]
    rows: Option<String>,
    /// A hash of the body.
    #[serde(default)]
    body: Option<String>,
}

impl Beyond {
    fn read(head: &Head) -> Self {
        head.beyond.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// The rows' version, then the body's: a write is held against the first alone, so that a client may
    /// read as it likes and write all the same.
    fn tag(self) -> Option<String> {
        match (self.rows, self.body) {
            (Some(rows), Some(body)) => Some(format!("{rows}.{body}")),
            (rows, body) => rows.or(body),
        }
    }
}

/// The next page's link (RFC 8288): this request with another cursor. Only its query, which a client
/// resolves against the address it asked, whatever that is behind.
pub(super) fn next_page(plan: &Plan<'_>, incoming: &Incoming<'_>, head: &Head) -> Option<String> {
    let Operation::Read { tree, .. } = &plan.operation else { return None };
    let keyset = tree.additions.keyset.as_ref()?;
    let values = Beyond::read(head).next?;
    let token = Place { order: keyset.order.clone(), values }.encode();
    let kept = Parameters::pieces_without(incoming.query, "after").collect::<Vec<_>>().join("&");
    let separator = if kept.is_empty() { "" } else { "&" };
    let query = kept.replace('<', "%3C").replace('>', "%3E");
    Some(format!("<?{query}{separator}after={token}>; rel=\"next\""))
}

/// `ETag`, and what the request's conditions make of a successful answer.
pub(super) fn versioned(answer: Answer, intent: &Intent<'_>, head: &Head) -> Result<Answer, Problem> {
    if !(200..300).contains(&answer.status) {
        return Ok(answer);
    }
    let Some(tag) = Beyond::read(head).tag() else { return Ok(answer) };
    let is_read = !intent.action.is_write();
    let holds = |tags: &Tags<'_>| match tags {
        Tags::Any => head.page > 0,
        Tags::These(_) => tags.hold(&tag),
    };
    if is_read && intent.conditions.matches.as_ref().is_some_and(|tags| !holds(tags)) {
        return Err(Problem::other_version());
    }
    let known = is_read && intent.conditions.matches_none.as_ref().is_some_and(holds);
    let answer = answer.header("ETag", format!("\"{tag}\""));
    Ok(if known { Answer { status: 304, body: AnswerBody::Empty, ..answer } } else { answer })
}
