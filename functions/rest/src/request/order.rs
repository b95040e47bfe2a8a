//! `order=`: terms with direction and place of nulls.

use std::borrow::Cow;

use super::cursor::{Cursor, Miss, Parsed};
use super::field::{Field, Operand, delimiter, field, field_name};
use super::select::{Aggregate, aggregate_function};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrderTerm<'q> {
    /// The embed whose column orders the parent: `order=client(name)`.
    pub(crate) embed: Option<Cow<'q, str>>,
    pub(crate) field: Field<'q>,
    /// Groups are ordered by what is made of all values of the field. Not in PostgREST.
    pub(crate) aggregate: Option<Aggregate<'q>>,
    /// `ASC` or `DESC`.
    pub(crate) direction: Option<&'static str>,
    /// `NULLS FIRST` or `NULLS LAST`.
    pub(crate) nulls: Option<&'static str>,
}

impl OrderTerm<'_> {
    /// The term in one spelling, whatever the request's was.
    pub(crate) fn shown(&self) -> String {
        let mut text = match &self.embed {
            Some(embed) => format!("{embed:?}({:?}", self.field.name),
            None => format!("{:?}", self.field.name),
        };
        for step in &self.field.path {
            text.push_str(if step.as_text { "->>" } else { "->" });
            match &step.operand {
                Operand::Key(key) => text.push_str(&format!("{key:?}")),
                Operand::Index(index) => text.push_str(index),
            }
        }
        for word in [self.direction, self.nulls].into_iter().flatten() {
            text.push(' ');
            text.push_str(word);
        }
        text
    }
}

/// Terms separated by commas.
pub(crate) fn terms<'q>(cursor: &mut Cursor<'q>) -> Parsed<Vec<OrderTerm<'q>>> {
    let mut terms = vec![cursor.lexeme(term)?];
    while cursor.optional(|cursor| cursor.literal(","))?.is_some() {
        terms.push(cursor.lexeme(term)?);
    }
    Ok(terms)
}

fn term<'q>(cursor: &mut Cursor<'q>) -> Parsed<OrderTerm<'q>> {
    cursor.either(
        |cursor| {
            cursor.attempt(|cursor| {
                let embed = field_name(cursor)?;
                cursor.literal("(")?;
                let field = field(cursor)?;
                cursor.literal(")")?;
                finish(cursor, Some(embed), field)
            })
        },
        |cursor| {
            let field = field(cursor)?;
            finish(cursor, None, field)
        },
    )
}

/// As [`terms`], with aggregates among them: `count().desc`, `price.sum()`. Tried where there are no
/// plain terms, so that what PostgREST wants there stays the only thing told as wanted.
pub(crate) fn terms_of_groups<'q>(cursor: &mut Cursor<'q>) -> Parsed<Vec<OrderTerm<'q>>> {
    let one = |cursor: &mut Cursor<'q>| {
        cursor.skip_spaces();
        cursor.either(|cursor| cursor.attempt(aggregated), term)
    };
    let mut terms = vec![one(cursor)?];
    while cursor.optional(|cursor| cursor.literal(","))?.is_some() {
        terms.push(one(cursor)?);
    }
    Ok(terms)
}

fn aggregated<'q>(cursor: &mut Cursor<'q>) -> Parsed<OrderTerm<'q>> {
    let (field, function, distinct) = if cursor.literal("count()").is_ok() {
        (Field::column("*"), "count", false)
    } else {
        let field = field(cursor)?;
        let (function, distinct) = aggregate_function(cursor)?;
        (field, function, distinct)
    };
    let term = finish(cursor, None, field)?;
    Ok(OrderTerm { aggregate: Some(Aggregate { function, distinct, cast: None }), ..term })
}

fn finish<'q>(
    cursor: &mut Cursor<'q>,
    embed: Option<Cow<'q, str>>,
    field: Field<'q>,
) -> Parsed<OrderTerm<'q>> {
    let direction = word(cursor, &[("asc", "ASC"), ("desc", "DESC")])?;
    let nulls = word(cursor, &[("nullsfirst", "NULLS FIRST"), ("nullslast", "NULLS LAST")])?;
    if !cursor.sees(",") {
        cursor.end()?;
    }
    Ok(OrderTerm { embed, field, aggregate: None, direction, nulls })
}

/// `.name` for one of `names`.
fn word(
    cursor: &mut Cursor<'_>,
    names: &'static [(&'static str, &'static str)],
) -> Parsed<Option<&'static str>> {
    for (name, sql) in names {
        let found = cursor.optional(|cursor| {
            cursor.attempt(|cursor| {
                delimiter(cursor)?;
                cursor.literal(name)
            })
        })?;
        if found.is_some() {
            return Ok(Some(sql));
        }
    }
    Ok(None)
}

/// Names separated by commas: `columns=` and `on_conflict=`.
pub(crate) fn names<'q>(cursor: &mut Cursor<'q>) -> Parsed<Vec<Cow<'q, str>>> {
    let mut names = vec![field_name(cursor)?];
    while cursor.optional(|cursor| cursor.lexeme(|cursor| cursor.literal(",")))?.is_some() {
        names.push(field_name(cursor)?);
    }
    Ok(names)
}

/// `embed.path.column->json`: where a parameter applies.
pub(crate) fn tree_path<'q>(cursor: &mut Cursor<'q>) -> Parsed<(Vec<Cow<'q, str>>, Field<'q>)> {
    let mut path = dotted(cursor)?;
    let name = path.pop().ok_or(Miss)?;
    Ok((path, Field { name, path: super::field::json_path(cursor)? }))
}

/// Names separated by dots; at least one.
pub(crate) fn dotted<'q>(cursor: &mut Cursor<'q>) -> Parsed<Vec<Cow<'q, str>>> {
    let mut path = vec![field_name(cursor)?];
    while cursor.optional(delimiter)?.is_some() {
        path.push(field_name(cursor)?);
    }
    Ok(path)
}
