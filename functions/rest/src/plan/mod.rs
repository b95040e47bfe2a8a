//! A request matched with the catalog: what to read, write or call, and in which form to answer.

mod additions;
mod call;
mod embed;
mod insisted;
mod mutation;
mod negotiate;
mod place;
mod shown;
mod tree;

use crate::catalog::{Catalog, Function};
use crate::problem::Problem;
use crate::request::{Action, Handling, Intent, Media, Payload, Resource};
use crate::settings::Settings;

pub(crate) use additions::Keyset;
pub(crate) use call::{Arguments, Call};
pub(crate) use insisted::insisted_rows;
pub(crate) use mutation::{ColumnSource, Mutation, Target, Write};
pub(crate) use negotiate::BodyForm;
pub(crate) use shown::Shown;
pub(crate) use tree::{Join, Node, Qualifier, Source, Spread};

/// What to do, in which form to answer.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) operation: Operation<'a>,
    pub(crate) media: Media<'a>,
    pub(crate) form: BodyForm<'a>,
}

#[derive(Debug)]
pub(crate) enum Operation<'a> {
    Read {
        relation: &'a str,
        tree: Node<'a>,
    },
    Write {
        relation: &'a str,
        tree: Node<'a>,
        write: Write<'a>,
    },
    Call {
        tree: Node<'a>,
        call: Call<'a>,
    },
    /// The API's own description.
    Root,
    /// OPTIONS: the value of `Allow`.
    Describe(String),
}

/// Matches `intent` with the catalog. `payload` is the body, where [`Intent::needs_body`] says so.
pub(crate) fn plan<'a>(
    intent: &'a Intent<'a>,
    payload: Option<&'a Payload<'a>>,
    catalog: &'a Catalog,
    settings: &'a Settings,
) -> Result<Plan<'a>, Problem> {
    let operation = match (&intent.resource, intent.action) {
        (Resource::Root, Action::Describe) => Operation::Describe("OPTIONS,GET,HEAD".to_owned()),
        (Resource::Root, _) => Operation::Root,
        (Resource::Relation(name), Action::Describe) => {
            let relation = catalog
                .relation(intent.schema, name)
                .ok_or_else(|| Problem::unknown_relation(intent.schema, name, catalog))?;
            Operation::Describe(mutation::allowed_methods(relation))
        }
        (Resource::Relation(name), action) => relation(intent, name, action, payload, catalog, settings)?,
        (Resource::Function(name), _) => function(intent, name, payload, catalog, settings)?,
    };
    if intent.preferences.handling == Some(Handling::Strict) && !intent.preferences.unknown.is_empty() {
        return Err(Problem::unknown_preferences(&intent.preferences.unknown));
    }
    if let Operation::Describe(_) = operation {
        return Ok(Plan { operation, media: Media::Any, form: BodyForm::None });
    }
    let (form, media) = negotiate::negotiate(intent, &operation, catalog, settings)?;
    check_affected(intent, &operation)?;
    Ok(Plan { operation, media, form })
}

/// A write to a relation that is planned without its body, whose rows are inserted level by level.
pub(crate) fn nested_plan<'a>(
    intent: &'a Intent<'a>,
    catalog: &'a Catalog,
    settings: &'a Settings,
) -> Result<Plan<'a>, Problem> {
    static NO_COLUMNS: Payload<'static> = Payload::Form(Vec::new());
    plan(intent, Some(&NO_COLUMNS), catalog, settings)
}

fn relation<'a>(
    intent: &'a Intent<'a>,
    name: &'a str,
    action: Action,
    payload: Option<&'a Payload<'a>>,
    catalog: &'a Catalog,
    settings: &'a Settings,
) -> Result<Operation<'a>, Problem> {
    let schema = intent.schema;
    let relation =
        catalog.relation(schema, name).ok_or_else(|| Problem::unknown_relation(schema, name, catalog))?;
    let source = if action.is_write() { Source::Result } else { Source::Relation };
    let tree = tree::build(intent, name, source, catalog, settings)?;
    if action.is_write() {
        let write = mutation::write(intent, name, relation, payload, &tree)?;
        Ok(Operation::Write { relation: name, tree, write })
    } else {
        Ok(Operation::Read { relation: name, tree })
    }
}

fn function<'a>(
    intent: &'a Intent<'a>,
    name: &'a str,
    payload: Option<&'a Payload<'a>>,
    catalog: &'a Catalog,
    settings: &'a Settings,
) -> Result<Operation<'a>, Problem> {
    let keys = call::argument_names(intent, payload);
    if intent.action == Action::Describe
        && let Some(methods) = call::allowed_methods(catalog.functions(intent.schema, name))
    {
        return Ok(Operation::Describe(methods.to_owned()));
    }
    let function = call::choose(intent, name, &keys, catalog)?;
    let origin = call::result_relation(name, function);
    let tree = tree::build(intent, origin, Source::Result, catalog, settings)?;
    let call = call::call(intent, name, function, payload, &keys, &tree);
    Ok(Operation::Call { tree, call })
}

/// `max-affected` needs a count of rows, which a function of one result does not have.
fn check_affected(intent: &Intent<'_>, operation: &Operation<'_>) -> Result<(), Problem> {
    match operation {
        Operation::Call { call, .. }
            if intent.preferences.affected_max().is_some() && call.function.returns_one() =>
        {
            Err(Problem::max_affected_on_single())
        }
        _ => Ok(()),
    }
}

/// Whether a call may not write: made by GET or HEAD, or of a function that promises not to.
pub(crate) fn is_safe_call(action: Action, function: &Function) -> bool {
    matches!(action, Action::CallSafely { .. }) || !function.volatile
}
