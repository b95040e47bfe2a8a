//! What goes into a statement and what comes out of it.

use std::sync::Arc;

use bytes::Bytes;

use crate::Content;

/// One SQL statement and the values of its `$1`, `$2`, ….
#[derive(Clone, Debug)]
pub struct Statement {
    /// Exactly one statement, at most [`isobase_base::limits::DATABASE_SQL_BYTES_MAX`] bytes. The
    /// text is the key of the connection's prepared statements: values belong into parameters.
    pub sql: Arc<str>,
    pub parameters: Vec<Parameter>,
}

impl Statement {
    pub fn new(sql: impl Into<Arc<str>>, parameters: Vec<Parameter>) -> Self {
        Self { sql: sql.into(), parameters }
    }
}

impl From<&str> for Statement {
    fn from(sql: &str) -> Self {
        Self::new(sql, Vec::new())
    }
}

/// A value bound to `$n`. The server infers the type from where `$n` stands; everything but
/// [`Parameter::Bytes`] is sent in that type's input format, so an `Int32` fits int8, numeric or
/// text as well.
#[derive(Clone, Debug, PartialEq)]
pub enum Parameter {
    Null,
    Boolean(bool),
    Int32(i32),
    Int64(i64),
    Float64(f64),
    /// UTF-8, in Postgres' input format. The server checks it.
    Text(Bytes),
    /// For bytea.
    Bytes(Bytes),
}

/// A value in a result row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Boolean(bool),
    /// int2 and int4.
    Int32(i32),
    /// int8 and oid.
    Int64(i64),
    /// float4 and float8.
    Float64(f64),
    /// Every other type, in Postgres' output format.
    Text(String),
    /// bytea.
    Bytes(Bytes),
    /// json and jsonb.
    Json(String),
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// `pg_type.typname`: `int4`, `text`, `_uuid`, ….
    pub type_name: String,
}

/// A whole result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Value>>,
    /// Rows written, or rows returned when nothing was written.
    pub affected: u64,
}

/// The one row of a result, its last column kept apart as bytes: json, text and bytea arrive as
/// they are, other types in Postgres' output format.
#[derive(Debug)]
pub struct Document {
    pub head: Vec<Value>,
    /// `None` for SQL null.
    pub body: Option<Content>,
}

/// Any number of rows, of which all but the last column of the first are the head, and the last columns of
/// all, one after another, the body. SQL nulls add nothing.
#[derive(Debug)]
pub struct Lines {
    /// Empty where there was no row.
    pub head: Vec<Value>,
    /// `None` where there was no row.
    pub body: Option<Content>,
    /// Known where the server had sent all before anything was handed out.
    pub rows: Option<u64>,
}
