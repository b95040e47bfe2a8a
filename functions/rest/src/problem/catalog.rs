//! PGRST2xx: what a request names and the catalog does not have, or has too often.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::catalog::{Catalog, Function, Kind, Link, Relationship};
use crate::fuzzy::closest;
use crate::request::{Action, Intent, Media};

use super::Problem;

/// Similarity from which a name is suggested; below it a hint would tell names at random.
const HINT_SCORE_MIN: f64 = 0.75;
/// Parameters of a function that was named correctly may be suggested more freely.
const PARAMETER_SCORE_MIN: f64 = 0.33;
/// Relations of a schema up to which they are searched for a hint: the search is linear.
const HINT_RELATIONS_MAX: usize = 500;

/// An embed that several relationships fit.
pub(crate) struct Ambiguous<'p> {
    pub(crate) origin: &'p str,
    pub(crate) target: &'p str,
    pub(crate) candidates: &'p [&'p Relationship],
}

impl Problem {
    pub(crate) fn unknown_relation(schema: &str, name: &str, catalog: &Catalog) -> Self {
        let relations = catalog.schema(schema).map(|schema| &schema.relations);
        let hint = relations
            .filter(|relations| relations.len() < HINT_RELATIONS_MAX)
            .and_then(|relations| closest(relations.keys().map(AsRef::as_ref), name, HINT_SCORE_MIN))
            .map(|(found, _)| format!("Perhaps you meant the table '{schema}.{found}'"));
        Self::new(404, "PGRST205", format!("Could not find the table '{schema}.{name}' in the schema cache"))
            .hint(hint)
    }

    pub(crate) fn unknown_column(relation: &str, column: &str) -> Self {
        let message = format!("Could not find the '{column}' column of '{relation}' in the schema cache");
        Self::new(400, "PGRST204", message)
    }

    pub(crate) fn no_relationship(
        origin: &str,
        target: &str,
        hint: Option<&str>,
        schema: &str,
        catalog: &Catalog,
    ) -> Self {
        let message =
            format!("Could not find a relationship between '{origin}' and '{target}' in the schema cache");
        let using = hint.map(|hint| format!("' using the hint '{hint}")).unwrap_or_default();
        let details = format!(
            "Searched for a foreign key relationship between '{origin}' and '{target}{using}' in the schema '{schema}', but no matches were found."
        );
        Self::new(400, "PGRST200", message)
            .details(details)
            .hint(related_name(origin, target, schema, catalog))
    }

    pub(crate) fn ambiguous_relationship(ambiguous: &Ambiguous<'_>) -> Self {
        let Ambiguous { origin, target, candidates } = ambiguous;
        let message = format!(
            "Could not embed because more than one relationship was found for '{origin}' and '{target}'"
        );
        let details = candidates.iter().map(|candidate| described(origin, candidate)).collect::<Vec<_>>();
        let spellings = candidates
            .iter()
            .map(|candidate| {
                let by = match &candidate.link {
                    Link::Key { constraint, .. } => constraint,
                    Link::Junction(junction) => &junction.relation,
                    Link::Computed { function, .. } => function,
                };
                format!("'{}!{by}'", candidate.foreign)
            })
            .collect::<Vec<_>>()
            .join(", ");
        let hint = format!(
            "Try changing '{target}' to one of the following: {spellings}. Find the desired relationship in the 'details' key."
        );
        Self::new(300, "PGRST201", message).details(details).hint(Some(hint))
    }

    pub(crate) fn unknown_function(
        intent: &Intent<'_>,
        name: &str,
        keys: &BTreeSet<String>,
        catalog: &Catalog,
    ) -> Self {
        let schema = intent.schema;
        let names = keys.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let by_post = intent.action == Action::Call;
        let single = match (by_post, &intent.content) {
            (true, Media::PlainText) => Some("text"),
            (true, Media::Xml) => Some("xml"),
            (true, Media::OctetStream) => Some("bytea"),
            _ => None,
        };
        let (shown, searched) = match keys.len() {
            0 => (" without parameters".to_owned(), " without parameters".to_owned()),
            1 => (format!("({names})"), format!(" with parameter {names}")),
            _ => (format!("({names})"), format!(" with parameters {names}")),
        };
        let shown = if single.is_some() { String::new() } else { shown };
        let searched = match (single, by_post && intent.content == Media::Json) {
            (Some(kind), _) => format!(" with a single unnamed {kind} parameter"),
            (None, true) => format!("{searched} or with a single unnamed json/jsonb parameter"),
            (None, false) => searched,
        };
        let message = format!("Could not find the function {schema}.{name}{shown} in the schema cache");
        let details = format!(
            "Searched for the function {schema}.{name}{searched}, but no matches were found in the schema cache."
        );
        let hint = if single.is_some() { None } else { called_name(schema, name, &names, catalog) };
        Self::new(404, "PGRST202", message).details(details).hint(hint)
    }

    pub(crate) fn ambiguous_function(schema: &str, name: &str, candidates: &[&Function]) -> Self {
        let shown = candidates
            .iter()
            .map(|function| {
                let parameters = function
                    .parameters
                    .iter()
                    .map(|parameter| format!("{} => {}", parameter.name, parameter.type_shown))
                    .collect::<Vec<_>>();
                format!("{schema}.{name}({})", parameters.join(", "))
            })
            .collect::<Vec<_>>()
            .join(", ");
        let hint = "Try renaming the parameters or the function itself in the database so function overloading can be resolved";
        Self::new(300, "PGRST203", format!("Could not choose the best candidate function between: {shown}"))
            .hint(Some(hint.to_owned()))
    }
}

/// A better spelling of the origin, or where that is known, of the target.
fn related_name(origin: &str, target: &str, schema: &str, catalog: &Catalog) -> Option<String> {
    let relationships = &catalog.schema(schema)?.relationships;
    let (found, wrong) = match relationships.get(origin) {
        Some(known) => {
            let names = known.iter().map(|relationship| &*relationship.foreign);
            let (found, score) = closest(names, target, PARAMETER_SCORE_MIN)?;
            (score < 1.0).then_some((found, target))?
        }
        None => (closest(relationships.keys().map(AsRef::as_ref), origin, PARAMETER_SCORE_MIN)?.0, origin),
    };
    Some(format!("Perhaps you meant '{found}' instead of '{wrong}'."))
}

fn called_name(schema: &str, name: &str, names: &str, catalog: &Catalog) -> Option<String> {
    let overloads = catalog.functions(schema, name);
    let found = if overloads.is_empty() {
        let functions = &catalog.schema(schema)?.functions;
        closest(functions.keys().map(AsRef::as_ref), name, HINT_SCORE_MIN)?.0.to_owned()
    } else {
        let lists = overloads
            .iter()
            .map(|function| {
                let mut names =
                    function.parameters.iter().map(|parameter| &*parameter.name).collect::<Vec<_>>();
                names.sort_unstable();
                format!("({})", names.join(", "))
            })
            .collect::<Vec<_>>();
        let (list, _) =
            closest(lists.iter().map(String::as_str), &format!("({names})"), PARAMETER_SCORE_MIN)?;
        format!("{name}{list}")
    };
    Some(format!("Perhaps you meant to call the function {schema}.{found}"))
}

fn described(origin: &str, candidate: &Relationship) -> Value {
    let foreign = &candidate.foreign;
    let (cardinality, relationship) = match &candidate.link {
        Link::Key { kind, constraint, columns } => {
            let cardinality = match kind {
                Kind::OneToMany => "one-to-many",
                Kind::ManyToOne => "many-to-one",
                Kind::OneToOne => "one-to-one",
            };
            let near = names(columns.iter().map(|(near, _)| &**near));
            let far = names(columns.iter().map(|(_, far)| &**far));
            (cardinality, format!("{constraint} using {origin}({near}) and {foreign}({far})"))
        }
        Link::Junction(junction) => {
            let near = names(junction.near.iter().map(|(_, column)| &**column));
            let far = names(junction.far.iter().map(|(_, column)| &**column));
            let (one, two) = (&junction.near_constraint, &junction.far_constraint);
            ("many-to-many", format!("{} using {one}({near}) and {two}({far})", junction.relation))
        }
        Link::Computed { function, .. } => ("computed", function.to_string()),
    };
    json!({
        "cardinality": cardinality,
        "embedding": format!("{origin} with {foreign}"),
        "relationship": relationship,
    })
}

fn names<'c>(columns: impl Iterator<Item = &'c str>) -> String {
    columns.collect::<Vec<_>>().join(", ")
}
