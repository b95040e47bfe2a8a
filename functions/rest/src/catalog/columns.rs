//! A relation's columns, which are decoded when they are first asked for.
//!
//! Most of a catalog's text is about columns, and most requests are about few relations. A database of
//! many thousand tables would fill an instance with values that nobody looks at.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::sql::quote_identifier;

use super::representation::Representation;
use super::{Column, TypeClass, TypeName};

/// Name, the type's schema and name, the name of the type under a domain, default.
type ColumnText = (Box<str>, Box<str>, Box<str>, Box<str>, Option<Box<str>>);

/// What the columns of all relations are made of.
#[derive(Debug)]
pub(super) struct Source {
    /// The catalog as Postgres made it.
    pub(super) text: Arc<String>,
    pub(super) representations: HashMap<Box<str>, Representation>,
}

#[derive(Debug)]
pub(crate) struct Columns {
    source: Arc<Source>,
    /// Where they are in the text.
    place: Range<usize>,
    decoded: OnceLock<Vec<Column>>,
}

impl Columns {
    pub(super) fn new(source: Arc<Source>, place: Range<usize>) -> Self {
        Self { source, place, decoded: OnceLock::new() }
    }

    /// In their order. What is no list of columns, though JSON, has none.
    pub(super) fn get(&self) -> &[Column] {
        self.decoded.get_or_init(|| {
            let text = self.source.text.get(self.place.clone()).unwrap_or("[]");
            let columns: Vec<ColumnText> = serde_json::from_str(text).unwrap_or_default();
            columns.into_iter().map(|text| column(text, &self.source.representations)).collect()
        })
    }
}

/// Where `part` lies in `whole`, of which it is a part.
pub(super) fn place(whole: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}

fn column(
    (name, type_schema, type_name, base_type, default): ColumnText,
    representations: &HashMap<Box<str>, Representation>,
) -> Column {
    let is_system = &*type_schema == "pg_catalog";
    let class = match (&*type_name, &*base_type) {
        ("json" | "jsonb", _) if is_system => TypeClass::Json,
        (_, "tsvector") => TypeClass::TextSearch,
        _ => TypeClass::Other,
    };
    let type_name = qualified(&type_schema, &type_name);
    let representation = representations.get(&type_name.0).cloned().map(Box::new);
    Column { name, type_name, class, default, representation }
}

pub(super) fn qualified(schema: &str, name: &str) -> TypeName {
    TypeName(format!("{}.{}", quote_identifier(schema), quote_identifier(name)).into())
}

#[cfg(test)]
mod tests {
    use crate::catalog::Catalog;

    /// The text around a table's columns.
    fn catalog(columns: &str) -> Catalog {
        let text = format!(
            r#"{{"relations": [["public", "first", false, 28, [], []], ["public", "t", false, 28, ["id"], {columns}]],
              "foreign_keys": [], "view_keys": [], "view_tables": [], "computed": [], "functions": []}}"#
        );
        Catalog::decode(text).expect("a catalog")
    }

    #[test]
    fn columns_are_found_where_they_are() {
        let catalog = catalog(
            r#" [ ["id", "pg_catalog", "int4", "int4", null],
              ["say \"hi\", [ünï]", "pg_catalog", "jsonb", "jsonb", "'{\"a\": [1]}'::jsonb"]] "#,
        );
        let relation = catalog.relation("public", "t").expect("the table");
        let names = relation.columns().iter().map(|column| &*column.name).collect::<Vec<_>>();
        assert_eq!(names, ["id", "say \"hi\", [ünï]"]);
        assert_eq!(relation.columns()[1].default.as_deref(), Some(r#"'{"a": [1]}'::jsonb"#));
        assert!(catalog.relation("public", "first").expect("the other").columns().is_empty());
    }

    #[test]
    fn what_are_no_columns_are_none() {
        for odd in ["{}", "7", "[[1]]", "null", r#""text""#] {
            let catalog = catalog(odd);
            assert!(catalog.relation("public", "t").expect("the table").columns().is_empty(), "{odd}");
        }
    }
}
