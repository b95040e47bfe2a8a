//! From the outcome of a statement to status, headers and body.

mod beyond;
mod chosen;
mod head;
pub(crate) mod open_api;

use crate::plan::{BodyForm, Node, Operation, Plan};
use crate::problem::Problem;
use crate::request::{
    Action, Count, Incoming, Intent, Media, Parameters, Preferences, Resolution, Resource, Return, RowRange,
    URL_RESERVED,
};
use crate::settings::Settings;

pub(crate) use chosen::apply as apply_chosen;
pub(crate) use head::HeadColumns;
pub use head::{Head, HeadValue};

/// A response, but for a body that may still be in the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: AnswerBody,
}

#[derive(Debug, Clone, PartialEq)]
pub enum AnswerBody {
    Empty,
    Text(String),
    /// The last column of the statement's row.
    Document,
}

impl Answer {
    fn new(status: u16) -> Self {
        Self { status, headers: Vec::with_capacity(8), body: AnswerBody::Empty }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn maybe_header(self, name: &str, value: Option<String>) -> Self {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    fn body(mut self, body: AnswerBody) -> Self {
        self.body = body;
        self
    }

    fn content(self, media: &Media<'_>, intent: &Intent<'_>) -> Self {
        let profile = intent.schema_shown.then(|| intent.schema.to_owned());
        self.header("Content-Type", media.content_type()).maybe_header("Content-Profile", profile)
    }

    /// OPTIONS: what may be done with a resource.
    pub(crate) fn allowed(methods: &str) -> Self {
        Self::new(200).header("Access-Control-Allow-Origin", "*").header("Allow", methods)
    }

    /// What `EXPLAIN` said, each line with its end.
    pub(crate) fn explained(lines: &[String], plan: &Plan<'_>, intent: &Intent<'_>) -> Self {
        let text = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>();
        let body = if intent.action.is_head() { AnswerBody::Empty } else { AnswerBody::Text(text) };
        Self::new(200).content(&plan.media, intent).header("Vary", VARY).body(body)
    }

    /// An error, with as much of it as the operator lets clients know.
    pub(crate) fn failed(problem: Problem, settings: &Settings) -> Self {
        let short = (!settings.errors_detailed).then(|| problem.short_body());
        let answer = Self::from(problem);
        match short {
            Some(body) => answer.body(AnswerBody::Text(body)),
            None => answer,
        }
    }

    pub(crate) fn open_api(document: String, media: &Media<'_>, intent: &Intent<'_>) -> Self {
        let body = if intent.action.is_head() { AnswerBody::Empty } else { AnswerBody::Text(document) };
        Self::new(200).content(media, intent).body(body)
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        let mut answer = Self::new(problem.status)
            .header("Content-Type", Media::Json.content_type())
            .header("Proxy-Status", format!("PostgREST; error={}", problem.code));
        if problem.status == 503 {
            answer = answer.header("Retry-After", "1");
        }
        answer.headers.extend(problem.headers.iter().cloned());
        answer.body(AnswerBody::Text(problem.body()))
    }
}

/// What a response depends on besides its address.
const VARY: &str = "Accept, Prefer, Range";

/// Whether the rows are as many as the client insists on. A write's statement has seen to it already
/// ([`crate::plan::insisted_rows`]); a read is judged by this alone.
pub(crate) fn check(plan: &Plan<'_>, intent: &Intent<'_>, rows: i64) -> Result<(), Problem> {
    if intent.action == Action::Replace && rows != 1 {
        return Err(Problem::put_key());
    }
    if matches!(plan.media, Media::Object { .. }) && rows != 1 && intent.action != Action::Replace {
        return Err(Problem::not_singular(rows));
    }
    let limited = matches!(intent.action, Action::Update | Action::Delete) || intent.action.is_call();
    match intent.preferences.affected_max() {
        Some(most) if limited && rows > most => Err(Problem::too_many_affected(rows)),
        _ => Ok(()),
    }
}

/// The response to a statement that has run and was committed.
pub(crate) fn respond(
    plan: &Plan<'_>,
    intent: &Intent<'_>,
    incoming: &Incoming<'_>,
    parameters: &Parameters<'_>,
    settings: &Settings,
    head: &Head,
) -> Result<Answer, Problem> {
    let preferences = applied(plan, intent);
    let merging = preferences.resolution == Some(Resolution::MergeDuplicates);
    let preferences = preferences.applied();
    let answer = match &plan.operation {
        Operation::Read { relation, .. } => {
            let canonical = if incoming.query.is_empty() { String::new() } else { parameters.canonical() };
            let location = format!("/{relation}{}{canonical}", if canonical.is_empty() { "" } else { "?" });
            page(plan, intent, settings, head)
                .header("Content-Location", location)
                .content(&plan.media, intent)
                .maybe_header("Preference-Applied", preferences)
                .maybe_header("Link", beyond::next_page(plan, incoming, head))
        }
        Operation::Write { relation, .. } => written(plan, intent, relation, head, merging, preferences),
        Operation::Call { call, .. } => {
            let answer = page(plan, intent, settings, head).maybe_header("Preference-Applied", preferences);
            if call.function.returns == crate::catalog::Returns::Void {
                Answer { status: 204, body: AnswerBody::Empty, ..answer }
            } else {
                answer.content(&plan.media, intent)
            }
        }
        Operation::Root | Operation::Describe(_) => {
            return Err(Problem::internal("A statement was run for a request that needs none."));
        }
    };
    let answer = answer.maybe_header("Warning", target_names(&plan.operation));
    let mut answer = beyond::versioned(chosen::apply(answer, head)?, intent, head)?;
    if !answer.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("vary")) {
        answer = answer.header("Vary", VARY);
    }
    Ok(answer)
}

/// A warning (RFC 7234 §5.5) that names the aliased embeds which filters called by their target.
fn target_names(operation: &Operation<'_>) -> Option<String> {
    fn collect(node: &Node<'_>, found: &mut Vec<String>) {
        for join in node.children.iter().filter_map(|child| child.join.as_ref()) {
            if join.called_by_target {
                found.push(format!("`{}` to `{}`", join.embed.target, join.name()));
            }
        }
        node.children.iter().for_each(|child| collect(child, found));
    }
    let (Operation::Read { tree, .. } | Operation::Write { tree, .. } | Operation::Call { tree, .. }) =
        operation
    else {
        return None;
    };
    let mut found = Vec::new();
    collect(tree, &mut found);
    let changes = found.join(", ");
    (!found.is_empty()).then(|| {
        format!(
            r#"299 - "Embedded resource was referenced by relation name even though it has an alias. This is deprecated and will stop working in a future release. Update {changes} in query string filters, orders or limits.""#
        )
    })
}

/// Status, `Content-Range` and body of a read: RFC 9110 §14.4, as PostgREST applies it to rows.
fn page(plan: &Plan<'_>, intent: &Intent<'_>, settings: &Settings, head: &Head) -> Answer {
    let total = match (intent.preferences.count, head.total) {
        (Some(Count::Planned), _) => head.estimate,
        (Some(Count::Estimated), Some(total)) if settings.rows_max.is_some_and(|rows| total > rows) => {
            Some(total.max(head.estimate.unwrap_or(0)))
        }
        (_, total) => total,
    };
    let RowRange { lower, .. } = intent.range;
    let (status, out_of_bounds) = match total {
        Some(total) if lower > total => (416, true),
        Some(total) if head.page < total => (206, false),
        _ => (200, false),
    };
    let body = if intent.action.is_head() || plan.form == BodyForm::None {
        AnswerBody::Empty
    } else if out_of_bounds {
        Answer::failed(Problem::out_of_bounds(lower, total.unwrap_or(0)), settings).body
    } else {
        AnswerBody::Document
    };
    let upper = lower.saturating_add(head.page).saturating_sub(1);
    let range = (!head.uncounted).then(|| content_range(lower, upper, total));
    Answer::new(status).maybe_header("Content-Range", range).body(body)
}

fn written(
    plan: &Plan<'_>,
    intent: &Intent<'_>,
    relation: &str,
    head: &Head,
    merging: bool,
    preferences: Option<String>,
) -> Answer {
    let full = intent.preferences.returning == Some(Return::Representation);
    let counted = intent.preferences.counts_rows().then_some(head.page);
    let inserted = head.inserted.unwrap_or(0) > 0;
    let (status, range) = match intent.action {
        Action::Create => (if merging && !inserted { 200 } else { 201 }, Some(content_range(1, 0, counted))),
        Action::Replace if full => (if inserted { 201 } else { 200 }, None),
        Action::Replace => (204, None),
        Action::Update => (if full { 200 } else { 204 }, Some(content_range(0, head.page - 1, counted))),
        _ => (if full { 200 } else { 204 }, Some(content_range(1, 0, counted))),
    };
    let location = head.location.as_deref().and_then(|pairs| location(relation, pairs));
    let answer = Answer::new(status)
        .maybe_header("Location", location)
        .maybe_header("Content-Range", range)
        .maybe_header("Preference-Applied", preferences);
    if full { answer.content(&plan.media, intent).body(AnswerBody::Document) } else { answer }
}

/// `lower-upper/total`; `*` for rows when there are none, and for a total that is not known.
fn content_range(lower: i64, upper: i64, total: Option<i64>) -> String {
    let rows = if total != Some(0) && lower <= upper { format!("{lower}-{upper}") } else { "*".to_owned() };
    match total {
        Some(total) => format!("{rows}/{total}"),
        None => format!("{rows}/*"),
    }
}

/// `/relation?key=eq.value` from pairs of names and texts in JSON.
fn location(relation: &str, pairs: &str) -> Option<String> {
    let pairs: Vec<(String, Option<String>)> = serde_json::from_str(pairs).ok()?;
    let encode = |text: &str| percent_encoding::utf8_percent_encode(text, URL_RESERVED).to_string();
    let terms = pairs
        .iter()
        .map(|(key, value)| match value {
            Some(value) => format!("{}={}", encode(key), encode(&format!("eq.{value}"))),
            None => format!("{}=is.null", encode(key)),
        })
        .collect::<Vec<_>>();
    Some(format!("/{relation}?{}", terms.join("&")))
}

/// The preferences that had a meaning for this request.
fn applied<'r>(plan: &Plan<'_>, intent: &Intent<'r>) -> Preferences<'r> {
    let mut preferences = intent.preferences.clone();
    let has_target = match &plan.operation {
        Operation::Write { write, .. } => {
            !write.structure.primary_key.is_empty() || intent.query.on_conflict.is_some()
        }
        _ => false,
    };
    if intent.action != Action::Create || !has_target {
        preferences.resolution = None;
    }
    if !intent.action.is_write() {
        preferences.returning = None;
    }
    preferences.nested = preferences.nested.filter(|nested| nested.goes_with(intent.action));
    if !matches!(intent.action, Action::Create | Action::Update) {
        preferences.missing = None;
    }
    if !matches!(intent.action, Action::Update | Action::Delete) && !intent.action.is_call() {
        preferences.max_affected = None;
    }
    debug_assert!(intent.resource != Resource::Root);
    preferences
}
