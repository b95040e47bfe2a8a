//! The read tree: a relation and what is embedded in it.

use std::borrow::Cow;

use crate::catalog::{Catalog, Link, Relation, Relationship};
use crate::problem::Problem;
use crate::request::{Embed, Intent, Item, Logic, OrderTerm, RowRange, SelectedField};
use crate::settings::Settings;

use super::additions::{self, Additions};
use super::{embed, place};

/// Where the rows of the root come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Relation,
    /// The rows that a write or a call returned.
    Result,
}

/// How an embed's columns reach its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spread {
    /// Not spread: an object or an array of objects.
    No,
    /// Flattened into the parent.
    ToOne,
    /// Each column an array.
    ToMany,
}

/// One level of a read.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) schema: &'a str,
    /// The relation whose rows these are.
    pub(crate) relation: &'a str,
    /// Its columns; unknown for the result of some functions.
    pub(crate) structure: Option<&'a Relation>,
    pub(crate) source: Source,
    /// How SQL calls these rows; the relation itself when there is none.
    pub(crate) alias: Option<String>,
    pub(crate) fields: Vec<&'a SelectedField<'a>>,
    /// `*` is written out: where it is grouped by, gathered column by column, or has columns that are
    /// not shown as they are.
    pub(crate) writes_out: bool,
    pub(crate) conditions: Vec<Cow<'a, Logic<'a>>>,
    pub(crate) order: Vec<&'a OrderTerm<'a>>,
    pub(crate) range: RowRange,
    /// Set on all but the root.
    pub(crate) join: Option<Join<'a>>,
    pub(crate) children: Vec<Node<'a>>,
    /// What PostgREST does not have.
    pub(crate) additions: Additions<'a>,
}

/// What ties an embed to its parent.
#[derive(Debug)]
pub(crate) struct Join<'a> {
    pub(crate) embed: &'a Embed<'a>,
    pub(crate) relationship: &'a Relationship,
    pub(crate) spread: Spread,
    /// Unique in the tree.
    pub(crate) number: usize,
    /// Has an alias, but a filter called it by its target.
    pub(crate) called_by_target: bool,
    /// The name of the joined subquery.
    pub(crate) result: String,
    /// For a junction: how SQL calls it.
    pub(crate) junction: String,
}

/// What stands before the dot of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Qualifier<'n> {
    Alias(&'n str),
    Relation { schema: &'n str, name: &'n str },
}

impl<'a> Node<'a> {
    pub(crate) fn qualifier(&self) -> Qualifier<'_> {
        match &self.alias {
            Some(alias) => Qualifier::Alias(alias),
            None => Qualifier::Relation { schema: self.schema, name: self.relation },
        }
    }

    /// The child that the result, an order or a null filter calls `name`.
    pub(crate) fn child(&self, name: &str) -> Option<&Node<'a>> {
        self.children.iter().find(|child| child.join.as_ref().is_some_and(|join| join.name() == name))
    }

    /// The embed whose column `term` orders by.
    pub(crate) fn ordering_embed(&self, term: &OrderTerm<'_>) -> Option<&Join<'a>> {
        self.child(term.embed.as_deref()?)?.join.as_ref()
    }
}

impl<'a> Join<'a> {
    /// The embed's name in the result.
    pub(crate) fn name(&self) -> &'a str {
        self.embed.alias.as_deref().unwrap_or(&self.embed.target)
    }

    /// Shows nothing: it only filters.
    pub(crate) fn is_silent(&self) -> bool {
        shows_nothing(&self.embed.items)
    }
}

fn shows_nothing(items: &[Item<'_>]) -> bool {
    items.iter().all(|item| match item {
        Item::Field(_) => false,
        Item::Embed(embed) => shows_nothing(&embed.items),
    })
}

/// The tree of `intent`'s select list over `relation`, with filters, orders and ranges in place.
pub(super) fn build<'a>(
    intent: &'a Intent<'a>,
    relation: &'a str,
    source: Source,
    catalog: &'a Catalog,
    settings: &Settings,
) -> Result<Node<'a>, Problem> {
    let alias = (source == Source::Result).then(|| relation.to_owned());
    let mut root = Node {
        schema: intent.schema,
        relation,
        structure: catalog.relation(intent.schema, relation),
        source,
        alias,
        fields: Vec::new(),
        writes_out: false,
        conditions: Vec::new(),
        order: Vec::new(),
        range: RowRange::ALL,
        join: None,
        children: Vec::new(),
        additions: Additions::default(),
    };
    add_items(&mut root, &intent.query.select, catalog, 1, &mut 0)?;
    place::place(&mut root, intent, settings)?;
    additions::place_rows(&mut root, intent, settings)?;
    write_out(&mut root, false);
    check_orders(&root)?;
    check_aggregates(&root, settings)?;
    if !intent.action.is_write() {
        cap(&mut root, settings.rows_max);
        additions::place_keyset(&mut root, intent)?;
    }
    Ok(root)
}

fn add_items<'a>(
    node: &mut Node<'a>,
    items: &'a [Item<'a>],
    catalog: &'a Catalog,
    depth: usize,
    embeds: &mut usize,
) -> Result<(), Problem> {
    for item in items {
        match item {
            Item::Field(field) => node.fields.push(field),
            Item::Embed(embed) => {
                *embeds += 1;
                let mut child = child(node, embed, catalog, depth, *embeds)?;
                add_items(&mut child, &embed.items, catalog, depth + 1, embeds)?;
                node.children.push(child);
            }
        }
    }
    Ok(())
}

fn write_out(node: &mut Node<'_>, parent: bool) {
    let spread = node.join.as_ref().map_or(Spread::No, |join| join.spread);
    node.writes_out = node.is_grouped()
        || node.structure.is_some_and(Relation::is_represented)
        || match spread {
            Spread::No => false,
            Spread::ToOne => parent,
            Spread::ToMany => true,
        };
    let writes_out = node.writes_out;
    node.children.iter_mut().for_each(|child| write_out(child, writes_out));
}

fn child<'a>(
    parent: &Node<'a>,
    embed: &'a Embed<'a>,
    catalog: &'a Catalog,
    depth: usize,
    number: usize,
) -> Result<Node<'a>, Problem> {
    let hint = embed.hint.as_deref();
    let relationship = embed::find(catalog, parent.schema, parent.relation, &embed.target, hint)?;
    let spread = match (embed.spread, relationship.is_to_one()) {
        (false, _) => Spread::No,
        (true, true) => Spread::ToOne,
        (true, false) => Spread::ToMany,
    };
    let name = embed.alias.as_deref().unwrap_or(&embed.target);
    let junction = match &relationship.link {
        Link::Junction(junction) => format!("{}_{depth}_junction", junction.relation),
        Link::Key { .. } | Link::Computed { .. } => String::new(),
    };
    let result = unique(&format!("{}_{name}", parent.relation), number);
    let join = Join { embed, relationship, spread, number, called_by_target: false, result, junction };
    Ok(Node {
        schema: parent.schema,
        relation: &relationship.foreign,
        structure: catalog.relation(parent.schema, &relationship.foreign),
        source: Source::Relation,
        alias: Some(unique(&relationship.foreign, depth)),
        fields: Vec::new(),
        writes_out: false,
        conditions: Vec::new(),
        order: Vec::new(),
        range: RowRange::ALL,
        join: Some(join),
        children: Vec::new(),
        additions: Additions::default(),
    })
}

/// Bytes of a name; Postgres cuts off what is longer.
const NAME_BYTES_MAX: usize = 63;

/// A readable name that differs from others by its number.
fn unique(name: &str, number: usize) -> String {
    let unique = format!("{name}_{number}");
    if unique.len() > NAME_BYTES_MAX { format!("pgrst_{number}") } else { unique }
}

/// An order by an embed's column needs that embed, and one row of it.
fn check_orders(node: &Node<'_>) -> Result<(), Problem> {
    for name in node.order.iter().filter_map(|term| term.embed.as_deref()) {
        let child = node.child(name).ok_or_else(|| Problem::not_embedded(name))?;
        if !child.join.as_ref().is_some_and(|join| join.relationship.is_to_one()) {
            return Err(Problem::related_order(node.relation, name));
        }
    }
    node.children.iter().try_for_each(check_orders)
}

fn check_aggregates(node: &Node<'_>, settings: &Settings) -> Result<(), Problem> {
    if node.has_aggregates() && !settings.aggregates_enabled {
        return Err(Problem::aggregates_disabled());
    }
    let gathered = node.join.as_ref().is_some_and(|join| join.spread == Spread::ToMany);
    if gathered && node.is_grouped() {
        let details = "Aggregates are not implemented for one-to-many or many-to-many spreads.";
        return Err(Problem::not_implemented(details));
    }
    node.children.iter().try_for_each(|child| check_aggregates(child, settings))
}

fn cap(node: &mut Node<'_>, rows_max: Option<i64>) {
    node.range = node.range.capped(rows_max);
    node.children.iter_mut().for_each(|child| cap(child, rows_max));
}
