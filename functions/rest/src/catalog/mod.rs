//! The database's structure as requests need it: relations, relationships, functions.
//!
//! Read by one query ([`catalog_sql`]), decoded once per change of the schema, then only looked up.

mod columns;
mod decode;
mod handler;
mod relationship;
mod representation;
mod sql;

use std::collections::HashMap;
use std::sync::Arc;

pub(crate) use handler::{Handler, MediaDomain};
pub(crate) use relationship::{Junction, Kind, Link, Relationship};
pub(crate) use representation::Representation;
pub(crate) use sql::BASE_TYPES;
pub use sql::catalog_sql;

/// Everything that requests may name, by schema.
#[derive(Debug, Default)]
pub struct Catalog {
    schemas: HashMap<Box<str>, Schema>,
    /// What makes a body of any rows.
    handlers: Vec<Handler>,
    /// Settings of the API that the database holds, by the names of variables.
    configuration: HashMap<String, String>,
}

/// What one exposed schema holds.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub(crate) relations: HashMap<Box<str>, Relation>,
    pub(crate) functions: HashMap<Box<str>, Vec<Function>>,
    /// By the relation they start from, ordered as PostgREST lists them.
    pub(crate) relationships: HashMap<Box<str>, Vec<Relationship>>,
}

/// A table, view, materialized view or foreign table.
#[derive(Debug)]
pub(crate) struct Relation {
    columns: columns::Columns,
    pub(crate) is_view: bool,
    /// Sorted by name. A view's is that of the tables it shows, where it shows all of it.
    pub(crate) primary_key: Vec<Box<str>>,
    pub(crate) insertable: bool,
    pub(crate) updatable: bool,
    pub(crate) deletable: bool,
    /// What makes a body of its rows alone.
    pub(crate) handlers: Vec<Handler>,
}

#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: Box<str>,
    pub(crate) type_name: TypeName,
    /// What the type is, where requests treat types differently.
    pub(crate) class: TypeClass,
    /// An SQL expression from the catalog.
    pub(crate) default: Option<Box<str>>,
    /// Set where the type is a domain with casts of its own.
    pub(crate) representation: Option<Box<Representation>>,
}

/// A type by schema and name, quoted: fit for SQL whatever the search path is. Without a length, so
/// that nothing is cut off silently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TypeName(pub(crate) Box<str>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypeClass {
    /// json or jsonb: arrows apply directly.
    Json,
    /// tsvector: full text search applies directly.
    TextSearch,
    Other,
}

#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returns: Returns,
    /// Returns any number of rows.
    pub(crate) returns_set: bool,
    pub(crate) volatile: bool,
    /// Settings of the function that count for the whole transaction.
    pub(crate) settings: Vec<(String, String)>,
    /// The result is a body of this media type.
    pub(crate) media: Option<MediaDomain>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Returns {
    Void,
    Scalar,
    /// Rows of the relation or type of that name; what embeds start from.
    Composite {
        relation: Box<str>,
    },
}

#[derive(Debug)]
pub(crate) struct Parameter {
    /// Empty for a parameter without a name.
    pub(crate) name: Box<str>,
    pub(crate) type_name: TypeName,
    /// As Postgres writes it, for messages: `integer`.
    pub(crate) type_shown: Box<str>,
    pub(crate) required: bool,
    pub(crate) variadic: bool,
}

impl Catalog {
    /// From the text that [`catalog_sql`] returns.
    pub fn decode(json: impl Into<String>) -> Result<Self, serde_json::Error> {
        decode::decode(&Arc::new(json.into()))
    }

    /// A setting that the database holds, by the name that [`crate::Settings`] reads it by: it counts
    /// more than the environment's.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.configuration.get(name).map(String::as_str)
    }

    pub(crate) fn schema(&self, name: &str) -> Option<&Schema> {
        self.schemas.get(name)
    }

    pub(crate) fn relation(&self, schema: &str, name: &str) -> Option<&Relation> {
        self.schema(schema)?.relations.get(name)
    }

    /// What makes a body of rows of any kind.
    pub(crate) fn handlers(&self) -> &[Handler] {
        &self.handlers
    }

    /// Relationships from `origin` to relations of the same schema.
    pub(crate) fn relationships(&self, schema: &str, origin: &str) -> &[Relationship] {
        self.schema(schema).and_then(|schema| schema.relationships.get(origin)).map_or(&[], Vec::as_slice)
    }

    /// All functions of that name, those with the fewest parameters first.
    pub(crate) fn functions(&self, schema: &str, name: &str) -> &[Function] {
        self.schema(schema).and_then(|schema| schema.functions.get(name)).map_or(&[], Vec::as_slice)
    }
}

impl Relation {
    /// In their order.
    pub(crate) fn columns(&self) -> &[Column] {
        self.columns.get()
    }

    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns().iter().find(|column| *column.name == *name)
    }

    /// Whether rows must be shown column by column, because one has a representation.
    pub(crate) fn is_represented(&self) -> bool {
        self.columns().iter().any(|column| column.writer().is_some())
    }
}

impl Column {
    /// The function that shows a value.
    pub(crate) fn writer(&self) -> Option<&str> {
        self.representation.as_deref()?.to_json.as_deref()
    }

    /// The function that reads a value of a body.
    pub(crate) fn json_reader(&self) -> Option<&str> {
        self.representation.as_deref()?.from_json.as_deref()
    }

    /// The function that reads a value of a filter.
    pub(crate) fn text_reader(&self) -> Option<&str> {
        self.representation.as_deref()?.from_text.as_deref()
    }
}

impl Function {
    /// Whether the result is one value or one row.
    pub(crate) fn returns_one(&self) -> bool {
        !self.returns_set
    }

    pub(crate) fn returns_scalar(&self) -> bool {
        matches!(self.returns, Returns::Scalar | Returns::Void)
    }
}
