//! What PostgREST does not have, placed on the levels of a read: pages by cursor, distinct rows,
//! conditions on groups.

use crate::problem::Problem;
use crate::request::{Distinct, Having, Intent, Place};
use crate::settings::Settings;

use super::place::named;
use super::tree::Node;

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
        root.additions.keyset = Some(keyset(root, intent, token)?);
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
    Ok(Keyset { ties, after, order })
}
