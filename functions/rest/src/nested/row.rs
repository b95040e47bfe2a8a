//! The body as rows of levels.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::plan::Node;
use crate::problem::Problem;

/// One row, and the rows that it brings along.
#[derive(Debug, Default)]
pub(super) struct Row<'b> {
    /// JSON texts by column.
    pub(super) own: BTreeMap<Cow<'b, str>, Cow<'b, str>>,
    /// By the embed's place among the level's children.
    pub(super) nested: Vec<(usize, Vec<Row<'b>>)>,
}

/// An object or an array of objects, as rows of `node`. Of the root only what `listed` names counts.
pub(super) fn read<'b>(
    node: &Node<'_>,
    body: &'b RawValue,
    listed: Option<&[Cow<'_, str>]>,
) -> Result<Vec<Row<'b>>, Problem> {
    let mut rows = many_or_one(node, body, "")?;
    if let Some(listed) = listed {
        for row in &mut rows {
            row.own.retain(|name, _| listed.contains(name));
            row.nested.retain(|(child, _)| {
                let name = node.children[*child].join.as_ref().map(|join| join.name());
                name.is_some_and(|name| listed.iter().any(|listed| listed == name))
            });
        }
    }
    Ok(rows)
}

fn many_or_one<'b>(node: &Node<'_>, value: &'b RawValue, name: &str) -> Result<Vec<Row<'b>>, Problem> {
    match value.get().as_bytes().first() {
        Some(b'{') => Ok(vec![row(node, value)?]),
        Some(b'[') => {
            let elements: Vec<&'b RawValue> =
                serde_json::from_str(value.get()).map_err(|_| Problem::nested_shape(name))?;
            elements.into_iter().map(|element| row(node, element)).collect()
        }
        Some(b'n') => Ok(Vec::new()),
        _ => Err(Problem::nested_shape(name)),
    }
}

fn row<'b>(node: &Node<'_>, value: &'b RawValue) -> Result<Row<'b>, Problem> {
    let members: BTreeMap<String, &'b RawValue> =
        serde_json::from_str(value.get()).map_err(|_| Problem::nested_shape(node.relation))?;
    let mut row = Row::default();
    for (name, value) in members {
        let is_column = node.structure.is_some_and(|relation| relation.column(&name).is_some());
        let child = node
            .children
            .iter()
            .position(|child| child.join.as_ref().is_some_and(|join| join.name() == name))
            .filter(|_| !is_column);
        match child {
            Some(index) => {
                let child = &node.children[index];
                let rows = many_or_one(child, value, &name)?;
                let to_one = child.join.as_ref().is_some_and(|join| join.relationship.is_to_one());
                if to_one && rows.len() > 1 {
                    return Err(Problem::nested_shape(&name));
                }
                row.nested.push((index, rows));
            }
            None => {
                row.own.insert(Cow::Owned(name), Cow::Borrowed(value.get()));
            }
        }
    }
    Ok(row)
}
