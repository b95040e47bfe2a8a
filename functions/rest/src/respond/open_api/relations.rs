//! Relations: their rows as definitions, their methods as paths.

use serde_json::{Map, Value, json};

use crate::catalog::{Catalog, Kind, Link, Relation};

use super::description::{ColumnText, RelationText};
use super::{swagger, told};

/// A relation as described, with what the catalog knows of it.
pub(super) struct Described<'d> {
    pub(super) text: &'d RelationText,
    pub(super) schema: &'d str,
    pub(super) catalog: &'d Catalog,
}

impl Described<'_> {
    fn structure(&self) -> Option<&Relation> {
        self.catalog.relation(self.schema, &self.text.name)
    }

    /// The names and definitions of the parameters that only this relation has.
    pub(super) fn parameters(&self) -> Vec<(String, Value)> {
        let name = &self.text.name;
        let body = json!({
            "name": name, "description": name, "required": false, "in": "body",
            "schema": { "$ref": format!("#/definitions/{name}") },
        });
        let filters = self.text.columns.iter().map(|column| {
            let mut filter =
                json!({ "name": column.name, "required": false, "in": "query", "type": "string" });
            if let Some(comment) = &column.comment {
                filter["description"] = comment.as_str().into();
            }
            (format!("rowFilter.{name}.{}", column.name), filter)
        });
        [(format!("body.{name}"), body)].into_iter().chain(filters).collect()
    }

    pub(super) fn path(&self) -> Value {
        let name = self.text.name.as_str();
        let reference = |target: String| json!({ "$ref": format!("#/parameters/{target}") });
        let filters =
            self.text.columns.iter().map(|column| reference(format!("rowFilter.{name}.{}", column.name)));
        let filters = filters.collect::<Vec<_>>();
        let operation = |filtered: bool, others: &[&str], responses: Value| {
            let filters = filters.iter().filter(|_| filtered).cloned();
            let others = others.iter().map(|other| match *other {
                "body" => reference(format!("body.{name}")),
                other => reference(other.to_owned()),
            });
            let parameters = filters.chain(others).collect::<Vec<_>>();
            let operation = json!({ "tags": [name], "parameters": parameters, "responses": responses });
            told(operation, self.text.comment.as_deref())
        };
        let rows = json!({
            "200": { "description": "OK",
                "schema": { "type": "array", "items": { "$ref": format!("#/definitions/{name}") } } },
            "206": { "description": "Partial Content" },
        });
        let reads = ["select", "order", "range", "rangeUnit", "offset", "limit", "preferCount"];
        let mut path = json!({ "get": operation(true, &reads, rows) });
        let writable = |relation: &Relation| relation.insertable || relation.updatable || relation.deletable;
        if self.structure().is_some_and(writable) {
            let created = json!({ "201": { "description": "Created" } });
            let changed = json!({ "204": { "description": "No Content" } });
            path["post"] = operation(false, &["body", "select", "preferPost"], created);
            path["patch"] = operation(true, &["body", "preferReturn"], changed.clone());
            path["delete"] = operation(true, &["preferReturn"], changed);
        }
        path
    }

    pub(super) fn definition(&self) -> Value {
        let columns = &self.text.columns;
        let mut definition = json!({ "type": "object" });
        if let Some(comment) = &self.text.comment {
            definition["description"] = comment.as_str().into();
        }
        if !columns.is_empty() {
            let properties = columns.iter().map(|column| (column.name.clone(), self.property(column)));
            definition["properties"] = Value::Object(properties.collect::<Map<_, _>>());
        }
        let required = columns.iter().filter(|column| column.required).map(|column| column.name.as_str());
        let required = required.collect::<Vec<_>>();
        if !required.is_empty() {
            definition["required"] = required.into();
        }
        definition
    }

    fn property(&self, column: &ColumnText) -> Value {
        let mut property = swagger::schema(&column.type_name);
        let default = column.default.as_deref();
        if let Some(default) = default.and_then(|text| swagger::default(&column.type_name, text)) {
            property["default"] = default;
        }
        if let Some(length) = column.length {
            property["maxLength"] = length.into();
        }
        if let Some(labels) = &column.labels {
            property["enum"] = labels.as_slice().into();
        }
        let notes = self.notes(&column.name);
        let description = match (&column.comment, notes) {
            (comment, None) => comment.clone(),
            (None, Some(notes)) => Some(notes),
            (Some(comment), Some(notes)) => Some(format!("{comment}\n\n{notes}")),
        };
        if let Some(description) = description {
            property["description"] = description.into();
        }
        property
    }

    /// Which keys a column belongs to.
    fn notes(&self, column: &str) -> Option<String> {
        let is_primary = self.structure()?.primary_key.iter().any(|name| **name == *column);
        let primary = is_primary.then(|| "This is a Primary Key.<pk/>".to_owned());
        let foreign = self.target(column).map(|(table, target)| {
            format!("This is a Foreign Key to `{table}.{target}`.<fk table='{table}' column='{target}'/>")
        });
        let notes = primary.into_iter().chain(foreign).collect::<Vec<_>>();
        (!notes.is_empty()).then(|| format!("Note:\n{}", notes.join("\n")))
    }

    /// What a foreign key of this column alone points at; a table rather than a view.
    fn target(&self, column: &str) -> Option<(&str, &str)> {
        let known = self.catalog.relationships(self.schema, &self.text.name);
        let targets = known.iter().filter_map(|relationship| match &relationship.link {
            Link::Key { kind: Kind::ManyToOne | Kind::OneToOne, columns, .. } => match columns.as_slice() {
                [(near, far)] if **near == *column && !relationship.is_inverse => {
                    Some((relationship.to_view, (&*relationship.foreign, &**far)))
                }
                _ => None,
            },
            _ => None,
        });
        targets.min_by_key(|(to_view, _)| *to_view).map(|(_, target)| target)
    }
}
