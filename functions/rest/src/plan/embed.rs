//! Which relationship an embed means.

use crate::catalog::{Catalog, Kind, Link, Relationship};
use crate::problem::{Ambiguous, Problem};

/// The one relationship from `origin` that `target` and `hint` describe.
///
/// A target is a relation, a foreign key's name, or a foreign key's single column; a hint is a foreign
/// key's name, a column of either side, or a junction.
pub(super) fn find<'a>(
    catalog: &'a Catalog,
    schema: &str,
    origin: &str,
    target: &str,
    hint: Option<&str>,
) -> Result<&'a Relationship, Problem> {
    let candidates = catalog.relationships(schema, origin);
    let mut fitting = candidates.iter().filter(|candidate| fits(candidate, target, hint));
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Problem::no_relationship(origin, target, hint, schema, catalog)),
        (Some(first), Some(second)) => {
            let all = [first, second].into_iter().chain(fitting).collect::<Vec<_>>();
            Err(Problem::ambiguous_relationship(&Ambiguous { origin, target, candidates: &all }))
        }
    }
}

fn fits(candidate: &Relationship, target: &str, hint: Option<&str>) -> bool {
    let named = *candidate.foreign == *target;
    match (&candidate.link, hint) {
        (Link::Computed { function, .. }, _) => **function == *target,
        // Within one relation its name means the many, its column the one.
        (link, None) if candidate.is_self => {
            named && is_kind(link, Kind::OneToMany)
                || near_column(link) == Some(target) && is_kind(link, Kind::ManyToOne)
        }
        (link, Some(hint)) if candidate.is_self => {
            named && is_kind(link, Kind::OneToMany) && far_column(link) == Some(hint)
        }
        (link, None) => {
            named
                || !candidate.to_view
                    && (constraint(link) == Some(target) || near_column(link) == Some(target))
        }
        (link, Some(hint)) => {
            named
                && [constraint(link), near_column(link), far_column(link), junction(link)]
                    .contains(&Some(hint))
        }
    }
}

fn is_kind(link: &Link, wanted: Kind) -> bool {
    matches!(link, Link::Key { kind, .. } if *kind == wanted)
}

fn constraint(link: &Link) -> Option<&str> {
    match link {
        Link::Key { constraint, .. } => Some(constraint),
        Link::Junction(_) | Link::Computed { .. } => None,
    }
}

fn junction(link: &Link) -> Option<&str> {
    match link {
        Link::Junction(junction) => Some(&junction.relation),
        Link::Key { .. } | Link::Computed { .. } => None,
    }
}

/// The near column of a key of one column.
fn near_column(link: &Link) -> Option<&str> {
    single_column(link).map(|(near, _)| near)
}

fn far_column(link: &Link) -> Option<&str> {
    single_column(link).map(|(_, far)| far)
}

fn single_column(link: &Link) -> Option<(&str, &str)> {
    match link {
        Link::Key { columns, .. } => match columns.as_slice() {
            [(near, far)] => Some((near, far)),
            _ => None,
        },
        Link::Junction(_) | Link::Computed { .. } => None,
    }
}
