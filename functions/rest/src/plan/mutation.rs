//! Inserts, updates and deletes.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::catalog::{Column, Link, Relation};
use crate::problem::Problem;
use crate::request::{Action, Filter, Intent, Logic, Missing, Payload, Resolution, Return, Test};

use super::tree::Node;

/// A change of one relation, and what it must return for the answer.
#[derive(Debug)]
pub(crate) struct Write<'a> {
    pub(crate) schema: &'a str,
    pub(crate) relation: &'a str,
    pub(crate) structure: &'a Relation,
    pub(crate) mutation: Mutation<'a>,
    /// Columns for the representation; empty when only rows are counted, `*` for all.
    pub(crate) returning: Vec<Cow<'a, str>>,
    /// Whether only rows of a known version may be changed.
    pub(crate) guarded: bool,
    /// Whether the version of what was written is told.
    pub(crate) versioned: bool,
}

#[derive(Debug)]
pub(crate) enum Mutation<'a> {
    Insert {
        columns: ColumnSource<'a>,
        conflict: Option<Target<'a>>,
        /// PUT: the filters that the row must match to be written at all.
        key: Vec<Cow<'a, Logic<'a>>>,
    },
    Update {
        columns: ColumnSource<'a>,
        conditions: Vec<Cow<'a, Logic<'a>>>,
    },
    Delete {
        conditions: Vec<Cow<'a, Logic<'a>>>,
    },
}

impl Mutation<'_> {
    /// Whether rows that are there already are updated.
    pub(crate) fn merges(&self) -> bool {
        matches!(self, Self::Insert { conflict: Some(target), .. } if target.merge && !target.columns.is_empty())
    }
}

/// Values from a JSON body.
#[derive(Debug)]
pub(crate) struct ColumnSource<'a> {
    /// Sorted by name, so that the same keys give the same statement.
    pub(crate) columns: Vec<&'a Column>,
    pub(crate) payload: &'a Payload<'a>,
    /// Columns missing from an object take their default instead of null.
    pub(crate) defaults: bool,
}

/// `ON CONFLICT`.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) columns: Vec<&'a str>,
    pub(crate) merge: bool,
}

/// Plans the write that `intent` asks for.
pub(super) fn write<'a>(
    intent: &'a Intent<'a>,
    name: &'a str,
    structure: &'a Relation,
    payload: Option<&'a Payload<'a>>,
    tree: &Node<'a>,
) -> Result<Write<'a>, Problem> {
    let conditions = || {
        let filters = intent.query.filters.iter().filter(|(path, _)| path.is_empty());
        let filters = filters.map(|(_, filter)| Cow::Owned(Logic::Filter(filter.clone())));
        let logic = intent.query.logic.iter().filter(|(path, _)| path.is_empty());
        filters.chain(logic.map(|(_, logic)| Cow::Borrowed(logic))).collect::<Vec<_>>()
    };
    let missing = intent.preferences.missing == Some(Missing::Default);
    let source = |defaults| columns(intent, name, structure, payload, defaults);
    let mutation = match intent.action {
        Action::Create => Mutation::Insert {
            columns: source(missing)?,
            conflict: conflict(intent, structure),
            key: Vec::new(),
        },
        Action::Replace => {
            check_key_filters(intent, structure)?;
            let columns = structure.primary_key.iter().map(AsRef::as_ref).collect();
            Mutation::Insert {
                columns: source(false)?,
                conflict: Some(Target { columns, merge: true }),
                key: conditions(),
            }
        }
        Action::Update => Mutation::Update { columns: source(missing)?, conditions: conditions() },
        _ => Mutation::Delete { conditions: conditions() },
    };
    let mut returning = match intent.preferences.returning {
        None | Some(Return::Minimal) => Vec::new(),
        Some(Return::Representation | Return::HeadersOnly) => needed_columns(tree, &structure.primary_key),
    };
    let versioned = intent.is_versioned() && intent.action != Action::Delete;
    if versioned {
        // A version is one of whole rows.
        returning = vec!["*".into()];
    }
    let guarded = intent.is_guarded();
    Ok(Write { schema: intent.schema, relation: name, structure, mutation, returning, guarded, versioned })
}

fn columns<'a>(
    intent: &'a Intent<'a>,
    relation: &str,
    structure: &'a Relation,
    payload: Option<&'a Payload<'a>>,
    defaults: bool,
) -> Result<ColumnSource<'a>, Problem> {
    let payload = payload.ok_or_else(|| Problem::internal("A write was planned without its body."))?;
    let names: BTreeSet<&str> = match payload {
        Payload::Json { keys, .. } => keys.iter().map(AsRef::as_ref).collect(),
        Payload::Unread => intent.query.columns.iter().flatten().map(AsRef::as_ref).collect(),
        Payload::Form(_) | Payload::Single(_) => BTreeSet::new(),
    };
    let columns = names
        .into_iter()
        .map(|name| structure.column(name).ok_or_else(|| Problem::unknown_column(relation, name)))
        .collect::<Result<_, _>>()?;
    Ok(ColumnSource { columns, payload, defaults })
}

fn conflict<'a>(intent: &'a Intent<'a>, structure: &'a Relation) -> Option<Target<'a>> {
    let merge = intent.preferences.resolution? == Resolution::MergeDuplicates;
    let columns = match &intent.query.on_conflict {
        Some(columns) => columns.iter().map(AsRef::as_ref).collect(),
        None => structure.primary_key.iter().map(AsRef::as_ref).collect(),
    };
    Some(Target { columns, merge })
}

/// PUT names exactly one row: `eq` on every column of the primary key and nothing else.
fn check_key_filters(intent: &Intent<'_>, structure: &Relation) -> Result<(), Problem> {
    let named: BTreeSet<&str> = intent.query.filter_keys.iter().copied().collect();
    let key: BTreeSet<&str> = structure.primary_key.iter().map(AsRef::as_ref).collect();
    let equal = |filter: &Filter<'_>| {
        !filter.negated
            && matches!(&filter.test, Test::Compare { operator, quantifier: None, .. } if operator.name == "eq")
    };
    let all_equal = intent.query.filters.iter().all(|(_, filter)| equal(filter));
    if intent.query.logic.is_empty() && !key.is_empty() && named == key && all_equal {
        Ok(())
    } else {
        Err(Problem::put_filters())
    }
}

/// Columns that the representation shows or is ordered by, those that its embeds join by, and the
/// primary key for `Location`.
pub(super) fn needed_columns<'a>(tree: &Node<'a>, primary_key: &'a [Box<str>]) -> Vec<Cow<'a, str>> {
    let mut needed: BTreeSet<Cow<'a, str>> =
        tree.fields.iter().map(|field| field.field.name.clone()).collect();
    if needed.contains("*") || tree.fields.is_empty() && tree.children.is_empty() {
        return vec!["*".into()];
    }
    for child in &tree.children {
        let Some(join) = &child.join else { continue };
        let near = match &join.relationship.link {
            Link::Key { columns, .. } => columns,
            Link::Junction(junction) => &junction.near,
            // What the function reads of its row is unknown.
            Link::Computed { .. } => return vec!["*".into()],
        };
        needed.extend(near.iter().map(|(column, _)| Cow::Borrowed(&**column)));
    }
    let own = tree.order.iter().filter(|term| term.embed.is_none());
    needed.extend(own.map(|term| term.field.name.clone()));
    needed.extend(primary_key.iter().map(|column| Cow::Borrowed(&**column)));
    needed.into_iter().collect()
}

/// The value of `Allow` for a relation.
pub(super) fn allowed_methods(relation: &Relation) -> String {
    let replaceable = relation.insertable && relation.updatable && !relation.primary_key.is_empty();
    let mut methods = "OPTIONS,GET,HEAD".to_owned();
    for (allowed, method) in [
        (relation.insertable, ",POST"),
        (replaceable, ",PUT"),
        (relation.updatable, ",PATCH"),
        (relation.deletable, ",DELETE"),
    ] {
        if allowed {
            methods.push_str(method);
        }
    }
    methods
}
