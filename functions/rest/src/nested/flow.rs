//! Which end of a relationship takes its values from the other, and so is written later.

use crate::catalog::{Junction, Kind, Link};
use crate::plan::Node;
use crate::problem::Problem;
use crate::request::Nested;

use super::row::Row;

#[derive(Clone, Copy)]
pub(super) enum Flow<'a> {
    /// The row takes them from what it brings along, which goes first. (near, far).
    Up(&'a [(Box<str>, Box<str>)]),
    /// What it brings along takes them from the row. (near, far).
    Down(&'a [(Box<str>, Box<str>)]),
    Junction(&'a Junction),
}

pub(super) fn flow<'a>(
    node: &Node<'_>,
    child: &Node<'a>,
    rows: &[Row<'_>],
    nested: Nested,
) -> Result<Flow<'a>, Problem> {
    let Some(join) = &child.join else { return Err(Problem::internal("An embed has no relationship.")) };
    match &join.relationship.link {
        Link::Key { kind: Kind::ManyToOne, columns, .. } => Ok(Flow::Up(columns)),
        Link::Key { kind: Kind::OneToMany, columns, .. } => Ok(Flow::Down(columns)),
        // Rows that are there already hold their values on the side of the foreign key.
        Link::Key { kind: Kind::OneToOne, columns, .. } if nested == Nested::Update => {
            Ok(if join.relationship.is_inverse { Flow::Down(columns) } else { Flow::Up(columns) })
        }
        // Either side may hold the key: it goes from where it is given, or made, to the other one.
        Link::Key { kind: Kind::OneToOne, columns, .. } => {
            let made = |near: &str| {
                node.structure
                    .and_then(|relation| relation.column(near))
                    .is_some_and(|column| column.default.is_some())
            };
            let given = |near: &str| rows.iter().all(|row| row.own.contains_key(near));
            let down = columns.iter().all(|(near, _)| made(near) || given(near));
            Ok(if down { Flow::Down(columns) } else { Flow::Up(columns) })
        }
        Link::Junction(junction) => Ok(Flow::Junction(junction)),
        Link::Computed { .. } => Err(Problem::nested_computed(join.name())),
    }
}

/// What rows bring along for one embed.
pub(super) struct Taken<'b> {
    /// The numbers of all rows that name the embed, though it be by an empty list or a null.
    pub(super) named: Vec<usize>,
    /// Rows with the number of the row that brought them.
    pub(super) rows: Vec<(usize, Row<'b>)>,
}

/// Takes it out of `rows` for the child at `index`; nothing if none names it.
pub(super) fn take<'b>(rows: &mut [Row<'b>], index: usize) -> Option<Taken<'b>> {
    let mut taken = Taken { named: Vec::new(), rows: Vec::new() };
    for (owner, row) in rows.iter_mut().enumerate() {
        for (child, nested) in &mut row.nested {
            if *child == index {
                taken.named.push(owner);
                taken.rows.extend(std::mem::take(nested).into_iter().map(|nested| (owner, nested)));
            }
        }
    }
    (!taken.named.is_empty()).then_some(taken)
}
