//! Plans as SQL: one statement per request, every value a parameter.
//!
//! The same shape of request gives the same text, so prepared statements are found again. Nothing
//! from a request enters the text but quoted identifiers and the names of casts, which the parser has
//! restricted to letters, digits, blanks, `_` and `$`.

mod additions;
mod body;
mod call;
mod condition;
mod guard;
mod lines;
mod mutation;
mod nested;
mod read;
mod statement;
#[cfg(test)]
mod tests;
mod version;

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::plan::Qualifier;

pub(crate) use guard::refused_rows;
pub(crate) use lines::{is_endless, lines};
pub(crate) use nested::{Keyed, read_by_keys, write_by_keys, write_for_keys};
pub use statement::Statement;
pub(crate) use statement::statement;
pub(crate) use version::is_other_version;

/// A value bound to `$n`. Postgres infers its type from where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound<'a> {
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
    /// The request's body, which this function has not read.
    Body,
}

/// SQL text in the making.
#[derive(Debug, Default)]
pub(crate) struct Sql<'a> {
    text: String,
    parameters: Vec<Bound<'a>>,
}

impl<'a> Sql<'a> {
    pub(crate) fn new() -> Self {
        Self { text: String::with_capacity(512), parameters: Vec::with_capacity(8) }
    }

    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    pub(crate) fn identifier(&mut self, name: &str) -> &mut Self {
        push_identifier(&mut self.text, name);
        self
    }

    /// `"schema"."name"`.
    pub(crate) fn qualified(&mut self, schema: &str, name: &str) -> &mut Self {
        self.identifier(schema).push(".").identifier(name)
    }

    pub(crate) fn qualifier(&mut self, qualifier: Qualifier<'_>) -> &mut Self {
        match qualifier {
            Qualifier::Alias(alias) => self.identifier(alias),
            Qualifier::Relation { schema, name } => self.qualified(schema, name),
        }
    }

    /// A column, or all of them for `*`.
    pub(crate) fn column(&mut self, qualifier: Qualifier<'_>, name: &str) -> &mut Self {
        self.qualifier(qualifier).push(".");
        if name == "*" { self.push("*") } else { self.identifier(name) }
    }

    pub(crate) fn bind(&mut self, value: Bound<'a>) -> &mut Self {
        self.parameters.push(value);
        let _ = write!(self.text, "${}", self.parameters.len());
        self
    }

    pub(crate) fn text(&mut self, value: impl Into<Cow<'a, str>>) -> &mut Self {
        self.bind(Bound::Text(value.into()))
    }

    /// Runs `each` for all items with `separator` between them.
    pub(crate) fn joined<T>(
        &mut self,
        separator: &str,
        items: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.push(separator);
            }
            each(self, item);
        }
        self
    }
}

/// An identifier in double quotes. Postgres has no NUL in names, so the name ends there.
pub(crate) fn quote_identifier(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    push_identifier(&mut text, name);
    text
}

fn push_identifier(text: &mut String, name: &str) {
    text.push('"');
    if name.bytes().any(|byte| matches!(byte, b'"' | 0)) {
        for character in name.chars().take_while(|character| *character != '\0') {
            if character == '"' {
                text.push('"');
            }
            text.push(character);
        }
    } else {
        text.push_str(name);
    }
    text.push('"');
}

/// A text constant, for names that come from the catalog or the operator.
pub(crate) fn quote_literal(value: &str) -> String {
    let escaped = value.replace('\0', "").replace('\'', "''");
    if escaped.contains('\\') {
        format!("E'{}'", escaped.replace('\\', "\\\\"))
    } else {
        format!("'{escaped}'")
    }
}

/// A one-dimensional array in Postgres' input format.
pub(crate) fn array_literal<'v>(values: impl Iterator<Item = &'v str>) -> String {
    let mut literal = String::from("{");
    for value in values {
        literal.push_str(if literal.len() > 1 { ",\"" } else { "\"" });
        for character in value.chars().filter(|character| *character != '\0') {
            if matches!(character, '"' | '\\') {
                literal.push('\\');
            }
            literal.push(character);
        }
        literal.push('"');
    }
    literal.push('}');
    literal
}
