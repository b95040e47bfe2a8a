//! Function calls: which overload, with which arguments.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::catalog::{Catalog, Function, Parameter, Returns};
use crate::problem::Problem;
use crate::request::{Action, Intent, Logic, Media, Payload};

use super::mutation::needed_columns;
use super::tree::Node;

#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) schema: &'a str,
    pub(crate) name: &'a str,
    pub(crate) function: &'a Function,
    pub(crate) arguments: Arguments<'a>,
    /// Columns of the result that the answer needs; `*` for all.
    pub(crate) returning: Vec<Cow<'a, str>>,
}

#[derive(Debug)]
pub(crate) enum Arguments<'a> {
    None,
    /// One value for the only, unnamed parameter.
    Single(&'a Parameter, &'a Payload<'a>),
    /// Texts from the query or a form; several for a variadic parameter.
    Texts(Vec<(&'a Parameter, Vec<&'a str>)>),
    /// Members of a JSON object.
    Json(Vec<&'a Parameter>, &'a Payload<'a>),
}

/// The names of the arguments given.
pub(super) fn argument_names(intent: &Intent<'_>, payload: Option<&Payload<'_>>) -> BTreeSet<String> {
    match (intent.action, payload) {
        (Action::Call, Some(Payload::Json { keys, .. })) => keys.iter().map(|key| key.to_string()).collect(),
        (Action::Call, Some(Payload::Form(pairs))) => pairs.iter().map(|(key, _)| key.to_string()).collect(),
        (Action::Call, Some(Payload::Unread)) => {
            intent.query.columns.iter().flatten().map(|name| name.to_string()).collect()
        }
        (Action::Call, _) => BTreeSet::new(),
        _ => intent.query.arguments.iter().map(|(key, _)| (*key).to_owned()).collect(),
    }
}

/// The function whose parameters fit the arguments; by POST, else the one that takes the whole body.
pub(super) fn choose<'a>(
    intent: &Intent<'_>,
    name: &str,
    keys: &BTreeSet<String>,
    catalog: &'a Catalog,
) -> Result<&'a Function, Problem> {
    let by_post = intent.action == Action::Call;
    let raw = by_post && matches!(intent.content, Media::PlainText | Media::Xml | Media::OctetStream);
    let overloads = catalog.functions(intent.schema, name);
    let fitting = overloads.iter().filter(|function| fits(function, keys, raw)).collect::<Vec<_>>();
    match fitting.as_slice() {
        [only] => return Ok(only),
        [] => {}
        several => return Err(Problem::ambiguous_function(intent.schema, name, several)),
    }
    let whole = overloads
        .iter()
        .filter(|function| by_post && takes_body(function, &intent.content))
        .collect::<Vec<_>>();
    match whole.as_slice() {
        [only] => Ok(only),
        [] => Err(Problem::unknown_function(intent, name, keys, catalog)),
        several => Err(Problem::ambiguous_function(intent.schema, name, several)),
    }
}

/// All required parameters are given, and nothing else but optional ones.
fn fits(function: &Function, keys: &BTreeSet<String>, raw: bool) -> bool {
    if function.parameters.is_empty() {
        return keys.is_empty() && !raw;
    }
    let given = |parameter: &&Parameter| keys.contains(&*parameter.name);
    let required = function.parameters.iter().filter(|parameter| parameter.required);
    required.clone().all(|parameter| given(&parameter))
        && keys.iter().all(|key| function.parameters.iter().any(|parameter| *parameter.name == **key))
}

fn takes_body(function: &Function, content: &Media<'_>) -> bool {
    let [parameter] = function.parameters.as_slice() else { return false };
    parameter.name.is_empty()
        && matches!(
            (content, &*parameter.type_shown),
            (Media::Json, "json" | "jsonb")
                | (Media::PlainText, "text")
                | (Media::Xml, "xml")
                | (Media::OctetStream, "bytea")
        )
}

/// The value of `Allow` for the functions of one name; nothing when there is none.
pub(super) fn allowed_methods(overloads: &[Function]) -> Option<&'static str> {
    let safe = overloads.iter().any(|function| !function.volatile);
    (!overloads.is_empty()).then_some(if safe { "OPTIONS,GET,HEAD,POST" } else { "OPTIONS,POST" })
}

/// The relation that embeds in the result start from.
pub(super) fn result_relation<'a>(name: &'a str, function: &'a Function) -> &'a str {
    match &function.returns {
        Returns::Composite { relation } => relation,
        Returns::Scalar | Returns::Void => name,
    }
}

/// Plans the call of `function`.
pub(super) fn call<'a>(
    intent: &'a Intent<'a>,
    name: &'a str,
    function: &'a Function,
    payload: Option<&'a Payload<'a>>,
    keys: &BTreeSet<String>,
    tree: &Node<'a>,
) -> Call<'a> {
    let arguments = match (function.parameters.as_slice(), payload) {
        ([only], Some(payload)) if only.name.is_empty() => Arguments::Single(only, payload),
        ([], _) => Arguments::None,
        (parameters, Some(payload @ (Payload::Json { .. } | Payload::Unread))) => {
            let named =
                parameters.iter().filter(|parameter| keys.contains(&*parameter.name)).collect::<Vec<_>>();
            if named.is_empty() { Arguments::None } else { Arguments::Json(named, payload) }
        }
        (parameters, Some(Payload::Form(pairs))) => {
            texts(parameters, pairs.iter().map(|(key, value)| (key.as_ref(), value.as_ref())))
        }
        (parameters, _) => texts(parameters, intent.query.arguments.iter().copied()),
    };
    Call { schema: intent.schema, name, function, arguments, returning: returning(tree) }
}

fn texts<'a>(
    parameters: &'a [Parameter],
    given: impl DoubleEndedIterator<Item = (&'a str, &'a str)> + Clone,
) -> Arguments<'a> {
    let named = parameters
        .iter()
        .filter_map(|parameter| {
            let mut values =
                given.clone().filter(|(key, _)| **key == *parameter.name).map(|(_, value)| value);
            // Of several values for a plain parameter the last counts.
            let values: Vec<&str> =
                if parameter.variadic { values.collect() } else { values.next_back().into_iter().collect() };
            (!values.is_empty()).then_some((parameter, values))
        })
        .collect::<Vec<_>>();
    if named.is_empty() { Arguments::None } else { Arguments::Texts(named) }
}

/// The result's columns that are shown, ordered by, joined by, or filtered by.
fn returning<'a>(tree: &Node<'a>) -> Vec<Cow<'a, str>> {
    let mut columns = needed_columns(tree, &[]);
    if columns.iter().any(|column| column == "*") {
        return columns;
    }
    let mut used = BTreeSet::new();
    tree.conditions.iter().for_each(|condition| filtered(condition, tree, &mut used));
    columns
        .extend(used.into_iter().filter(|name| !tree.fields.iter().any(|field| field.field.name == *name)));
    columns.sort();
    columns.dedup();
    columns
}

fn filtered<'a>(condition: &Logic<'a>, tree: &Node<'a>, used: &mut BTreeSet<Cow<'a, str>>) {
    match condition {
        Logic::Filter(filter) if tree.child(&filter.field.name).is_some() => {}
        Logic::Filter(filter) => {
            used.insert(filter.field.name.clone());
        }
        Logic::Group { terms, .. } => terms.iter().for_each(|term| filtered(term, tree, used)),
    }
}
