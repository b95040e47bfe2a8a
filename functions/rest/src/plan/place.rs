//! Puts filters, orders and ranges on the level of the tree that their path names.

use std::borrow::Cow;

use crate::problem::Problem;
use crate::request::{Action, Intent, Logic};

use super::tree::Node;

/// A write's own filters choose what it changes, so only those of embeds belong to the tree.
pub(super) fn place<'a>(root: &mut Node<'a>, intent: &'a Intent<'a>) -> Result<(), Problem> {
    let query = &intent.query;
    let is_write = intent.action.is_write();
    // From last to first: a named embed moves before its siblings, as PostgREST does, so the
    // first-named one ends up first.
    for (path, filter) in query.filters.iter().rev().filter(|(path, _)| !is_write || !path.is_empty()) {
        let node = named(root, path)?;
        node.conditions.insert(0, Cow::Owned(Logic::Filter(filter.clone())));
    }
    for (path, terms) in query.orders.iter().rev() {
        named(root, path)?.order = terms.iter().collect();
    }
    if !is_write {
        for (path, range) in query.ranges.iter().rev().filter(|(path, _)| !path.is_empty()) {
            named(root, path)?.range = *range;
        }
        root.range = intent.range;
    }
    for (path, logic) in query.logic.iter().rev().filter(|(path, _)| !is_write || !path.is_empty()) {
        named(root, path)?.conditions.insert(0, Cow::Borrowed(logic));
    }
    // A call by GET or HEAD has taken its arguments out of the filters already.
    debug_assert!(query.arguments.is_empty() || matches!(intent.action, Action::CallSafely { .. }));
    Ok(())
}

/// The level at `path`; an embed answers to its alias and, as older clients expect, its target.
pub(super) fn named<'n, 'a>(
    root: &'n mut Node<'a>,
    path: &[Cow<'a, str>],
) -> Result<&'n mut Node<'a>, Problem> {
    let mut node = root;
    for name in path {
        let answers = |child: &Node<'a>| {
            let embed = child.join.as_ref().map(|join| join.embed);
            embed.is_some_and(|embed| embed.target == *name || embed.alias.as_ref() == Some(name))
        };
        let index = node.children.iter().position(answers).ok_or_else(|| Problem::not_embedded(name))?;
        let child = node.children.remove(index);
        node.children.insert(0, child);
        node = &mut node.children[0];
    }
    Ok(node)
}
