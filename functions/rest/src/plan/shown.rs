//! What a level's rows show: the columns of its result, as the parent of a spread embed finds them.
//!
//! An aggregate in a spread to one row would see that row only, so it is applied by the level that
//! turns rows into objects: below it the plain value is handed up under a name of our own.

use std::borrow::Cow;

use crate::request::{Aggregate, SelectedField};

use super::tree::{Node, Spread};

/// A column of a level's result.
#[derive(Debug, Clone)]
pub(crate) struct Shown<'a> {
    pub(crate) name: Cow<'a, str>,
    /// An aggregate that the parent has to apply, and what the value is called then.
    pub(crate) pending: Option<(Aggregate<'a>, Cow<'a, str>)>,
}

impl<'a> Shown<'a> {
    fn plain(name: impl Into<Cow<'a, str>>) -> Self {
        Self { name: name.into(), pending: None }
    }
}

impl<'a> Node<'a> {
    /// Whether the parent applies this level's aggregates.
    pub(crate) fn hands_up(&self) -> bool {
        self.join.as_ref().is_some_and(|join| join.spread == Spread::ToOne)
    }

    pub(crate) fn has_aggregates(&self) -> bool {
        self.fields.iter().any(|field| field.aggregate.is_some())
            || self.order.iter().any(|term| term.aggregate.is_some())
            || !self.additions.having.is_empty()
    }

    /// Whether aggregates of this level or of spreads below it are applied further up.
    fn has_pending(&self) -> bool {
        self.hands_up() && (self.has_aggregates() || self.receives_pending())
    }

    pub(crate) fn receives_pending(&self) -> bool {
        self.children.iter().any(Node::has_pending)
    }

    /// Whether this level's rows are groups.
    pub(crate) fn is_grouped(&self) -> bool {
        !self.hands_up() && (self.has_aggregates() || self.receives_pending())
    }

    /// The name under which the plain value of an aggregate's field is handed up.
    pub(crate) fn handed_name(&self, index: usize) -> String {
        let number = self.join.as_ref().map_or(0, |join| join.number);
        format!("pgrst_{number}_{index}")
    }

    /// The columns of this level's result.
    pub(crate) fn shown(&self) -> Vec<Shown<'a>> {
        let mut shown = Vec::new();
        for (index, field) in self.fields.iter().enumerate() {
            match (self.expanded(field), field.aggregate.filter(|_| self.hands_up())) {
                (Some(columns), _) => shown.extend(columns.iter().map(|column| Shown::plain(&*column.name))),
                (None, Some(aggregate)) => {
                    let name = field.alias.clone().unwrap_or(Cow::Borrowed(aggregate.function));
                    let handed = self.handed_name(index).into();
                    shown.push(Shown { name: handed, pending: Some((aggregate, name)) });
                }
                (None, None) => shown.push(Shown::plain(shown_name(field))),
            }
        }
        for (child, join) in self.children.iter().filter_map(|child| Some((child, child.join.as_ref()?))) {
            if join.spread != Spread::No {
                shown.extend(child.shown().into_iter().map(|column| match column.pending {
                    Some((_, name)) if !self.hands_up() => Shown::plain(name),
                    pending => Shown { pending, ..column },
                }));
            } else if !join.is_silent() {
                shown.push(Shown::plain(join.name()));
            }
        }
        shown
    }

    /// The columns that `*` stands for, where it must be written out.
    pub(crate) fn expanded(&self, field: &SelectedField<'_>) -> Option<&'a [crate::catalog::Column]> {
        let structure = self.structure.filter(|_| self.writes_out)?;
        (field.field.name == "*" && field.aggregate.is_none()).then(|| structure.columns())
    }
}

fn shown_name<'a>(field: &SelectedField<'a>) -> Cow<'a, str> {
    field.alias.clone().or_else(|| field.field.last_key()).unwrap_or_else(|| field.field.name.clone())
}
