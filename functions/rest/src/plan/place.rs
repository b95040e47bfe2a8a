//! Puts filters, orders and ranges on the level of the tree that their path names.

use std::borrow::Cow;

use crate::problem::Problem;
use crate::request::{Action, Intent, Logic};
use crate::settings::Settings;

use super::tree::{Join, Node};

/// A write's own filters choose what it changes, so only those of embeds belong to the tree.
pub(super) fn place<'a>(
    root: &mut Node<'a>,
    intent: &'a Intent<'a>,
    settings: &Settings,
) -> Result<(), Problem> {
    let query = &intent.query;
    let is_write = intent.action.is_write();
    // From last to first: a named embed moves before its siblings, as PostgREST does, so the
    // first-named one ends up first.
    for (path, filter) in query.filters.iter().rev().filter(|(path, _)| !is_write || !path.is_empty()) {
        let node = named(root, path, settings)?;
        node.conditions.insert(0, Cow::Owned(Logic::Filter(filter.clone())));
    }
    for (path, terms) in query.orders.iter().rev() {
        named(root, path, settings)?.order = terms.iter().collect();
    }
    if !is_write {
        for (path, range) in query.ranges.iter().rev().filter(|(path, _)| !path.is_empty()) {
            named(root, path, settings)?.range = *range;
        }
        root.range = intent.range;
    }
    for (path, logic) in query.logic.iter().rev().filter(|(path, _)| !is_write || !path.is_empty()) {
        named(root, path, settings)?.conditions.insert(0, Cow::Borrowed(logic));
    }
    // A call by GET or HEAD has taken its arguments out of the filters already.
    debug_assert!(query.arguments.is_empty() || matches!(intent.action, Action::CallSafely { .. }));
    Ok(())
}

/// The level at `path`. An embed answers to its alias; without one, or where that is allowed, to its
/// target.
pub(super) fn named<'n, 'a>(
    root: &'n mut Node<'a>,
    path: &[Cow<'a, str>],
    settings: &Settings,
) -> Result<&'n mut Node<'a>, Problem> {
    let mut node = root;
    for name in path {
        let position = |answers: &dyn Fn(&Join<'a>) -> bool| {
            node.children.iter().position(|child| child.join.as_ref().is_some_and(answers))
        };
        let by_name = position(&|join| join.name() == &**name);
        let by_target = || position(&|join| join.embed.target == *name);
        let index = match (by_name, settings.target_names_allowed) {
            (Some(index), _) => index,
            (None, true) => by_target().ok_or_else(|| Problem::not_embedded(name))?,
            (None, false) => return Err(unknown(node, name)),
        };
        let mut child = node.children.remove(index);
        if let Some(join) = child.join.as_mut().filter(|_| by_name.is_none()) {
            join.called_by_target = true;
        }
        node.children.insert(0, child);
        node = &mut node.children[0];
    }
    Ok(node)
}

fn unknown(node: &Node<'_>, name: &str) -> Problem {
    let aliased = node.children.iter().filter_map(|child| child.join.as_ref());
    match aliased.filter(|join| join.embed.target == *name).find_map(|join| join.embed.alias.as_deref()) {
        Some(alias) => Problem::not_embedded_by_target(name, alias),
        None => Problem::not_embedded(name),
    }
}
