//! What PostgREST does not have, placed on the levels of a read: pages by cursor, distinct rows,
//! conditions on groups.

use std::collections::BTreeSet;

use crate::catalog::{Link, Relation};
use crate::problem::Problem;
use crate::request::{Distinct, Having, Intent, Logic, Place};
use crate::settings::Settings;

use super::place::named;
use super::tree::{Node, Source};

/// One level's part of it.
#[derive(Debug, Default)]
pub(crate) struct Additions<'a> {
    pub(crate) keyset: Option<Keyset<'a>>,
    pub(crate) distinct: Option<&'a Distinct<'a>>,
    pub(crate) having: Vec<&'a Having<'a>>,
}

/// A page that begins after a place instead of at an offset.
///
/// The order is made total by the primary key, so that each row has a place of its own.
#[derive(Debug)]
pub(crate) struct Keyset<'a> {
    /// Columns of the primary key by which rows are ordered after the terms of the request.
    pub(crate) ties: Vec<&'a str>,
    /// Values of the order's terms, then of the ties; nothing for the first page.
    pub(crate) after: Option<Vec<Option<String>>>,
    /// The order in words, for the cursor of the next page.
    pub(crate) order: String,
    /// All columns of the level that the page needs, where it can be read in two parts: rows with a value
    /// in the first term's column, and those with none.
    pub(crate) columns: Option<Vec<&'a str>>,
}

/// Puts distinct rows and conditions on groups where their paths lead.
pub(super) fn place_rows<'a>(
    root: &mut Node<'a>,
    intent: &'a Intent<'a>,
    settings: &Settings,
) -> Result<(), Problem> {
    let additions = &intent.query.additions;
    for (path, distinct) in &additions.distinct {
        let node = named(root, path, settings)?;
        if node.hands_up() {
            return Err(Problem::spread_groups());
        }
        node.additions.distinct = Some(distinct);
    }
    for (path, having) in &additions.having {
        let node = named(root, path, settings)?;
        if node.hands_up() {
            return Err(Problem::spread_groups());
        }
        node.additions.having.extend(having);
    }
    for (path, terms) in &intent.query.orders {
        let grouped = terms.iter().any(|term| term.aggregate.is_some());
        if grouped && named(root, path, settings)?.hands_up() {
            return Err(Problem::spread_groups());
        }
    }
    check_distinct(root)
}

/// Groups are known by all that they are grouped by.
fn check_distinct(node: &Node<'_>) -> Result<(), Problem> {
    if node.is_grouped() && matches!(node.additions.distinct, Some(Distinct::On(_))) {
        return Err(Problem::distinct_groups());
    }
    node.children.iter().try_for_each(check_distinct)
}

/// Puts the cursor on `root`, whose order and range must be in place.
pub(super) fn place_keyset<'a>(root: &mut Node<'a>, intent: &'a Intent<'a>) -> Result<(), Problem> {
    if let Some(token) = intent.query.additions.after {
        let keyset = keyset(root, intent, token)?;
        if keyset.columns.is_some() {
            // Both parts go by the relation's name, and have a column that is none of its own.
            root.alias = Some(root.relation.to_owned());
            root.writes_out = true;
        }
        root.additions.keyset = Some(keyset);
    }
    Ok(())
}

fn keyset<'a>(root: &Node<'a>, intent: &Intent<'_>, token: &str) -> Result<Keyset<'a>, Problem> {
    if root.is_grouped() || root.additions.distinct.is_some() {
        return Err(Problem::no_pages("groups and distinct rows have no place in an order"));
    }
    if intent.range.lower != 0 {
        return Err(Problem::no_pages("a page begins at an offset or after a cursor, not at both"));
    }
    let key = root.structure.map_or(&[][..], |relation| relation.primary_key.as_slice());
    if key.is_empty() {
        return Err(Problem::no_pages("rows without a primary key have no place of their own"));
    }
    let ordered = |column: &str| {
        let is_it = |name: &str| name == column;
        root.order
            .iter()
            .any(|term| term.embed.is_none() && term.field.path.is_empty() && is_it(&term.field.name))
    };
    let ties = key.iter().map(AsRef::as_ref).filter(|column| !ordered(column)).collect::<Vec<&str>>();
    let terms = root.order.iter().map(|term| term.shown());
    let order = terms.chain(ties.iter().map(|column| (*column).to_owned())).collect::<Vec<_>>().join(",");
    let after = match token {
        "" => None,
        token => {
            let place = Place::decode(token).ok_or_else(Problem::malformed_cursor)?;
            if place.order != order || place.values.len() != root.order.len() + ties.len() {
                return Err(Problem::foreign_cursor(&place.order, &order));
            }
            Some(place.values)
        }
    };
    let has_parts = after.as_ref().is_some_and(|values| has_parts(root, values));
    let columns = if has_parts && !intent.is_versioned() { columns(root) } else { None };
    Ok(Keyset { ties, after, order, columns })
}

/// Whether rows come after the cursor both with a value in the first term's column and with none.
fn has_parts(root: &Node<'_>, values: &[Option<String>]) -> bool {
    let (Some(first), Some(value)) = (root.order.first(), values.first()) else { return false };
    let is_column = first.embed.is_none() && first.aggregate.is_none() && first.field.path.is_empty();
    let in_key = |name: &str| {
        root.structure.is_some_and(|relation| relation.primary_key.iter().any(|key| **key == *name))
    };
    let nulls_last = first.nulls.map_or(first.direction != Some("DESC"), |nulls| nulls == "NULLS LAST");
    is_column && !in_key(&first.field.name) && value.is_some() == nulls_last
}

/// The columns that a table's level reads, in their order; nothing where it needs more than columns:
/// fields and relationships that functions compute of whole rows.
fn columns<'a>(root: &Node<'a>) -> Option<Vec<&'a str>> {
    let shows_all = root.fields.is_empty() && root.children.is_empty();
    let is_table = |structure: &&Relation| !structure.is_view && root.source == Source::Relation;
    let structure = root.structure.filter(is_table).filter(|_| !shows_all)?;
    let mut needed = structure.primary_key.iter().map(|column| column.to_string()).collect::<BTreeSet<_>>();
    needed.extend(root.fields.iter().map(|field| field.field.name.to_string()));
    let own = root.order.iter().filter(|term| term.embed.is_none());
    needed.extend(own.map(|term| term.field.name.to_string()));
    root.conditions.iter().for_each(|condition| add_compared(root, condition, &mut needed));
    for join in root.children.iter().filter_map(|child| child.join.as_ref()) {
        let near = match &join.relationship.link {
            Link::Key { columns, .. } => columns,
            Link::Junction(junction) => &junction.near,
            Link::Computed { .. } => return None,
        };
        needed.extend(near.iter().map(|(column, _)| column.to_string()));
    }
    let all = needed.remove("*");
    if needed.iter().any(|name| structure.column(name).is_none()) {
        return None;
    }
    let names = structure.columns().iter().map(|column| &*column.name);
    Some(names.filter(|name| all || needed.contains(*name)).collect())
}

/// The names of fields in a condition; a filter on an embed is none of the level's own.
fn add_compared(root: &Node<'_>, condition: &Logic<'_>, needed: &mut BTreeSet<String>) {
    match condition {
        Logic::Filter(filter) if root.child(&filter.field.name).is_some() => {}
        Logic::Filter(filter) => {
            needed.insert(filter.field.name.to_string());
        }
        Logic::Group { terms, .. } => terms.iter().for_each(|term| add_compared(root, term, needed)),
    }
}
