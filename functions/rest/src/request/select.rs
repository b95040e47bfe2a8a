//! `select=`: the tree of columns and embeds that shapes a response.

use std::borrow::Cow;

use super::cursor::{Cursor, Miss, Parsed};
use super::field::{Field, field, field_name, identifier};

/// One item of a select list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item<'q> {
    Field(SelectedField<'q>),
    Embed(Embed<'q>),
}

/// `alias:field::cast`, or an aggregate of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SelectedField<'q> {
    pub(crate) alias: Option<Cow<'q, str>>,
    pub(crate) field: Field<'q>,
    pub(crate) cast: Option<&'q str>,
    pub(crate) aggregate: Option<Aggregate<'q>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aggregate<'q> {
    pub(crate) function: &'static str,
    /// `count(distinct)`: equal values count once. Not in PostgREST.
    pub(crate) distinct: bool,
    pub(crate) cast: Option<&'q str>,
}

/// `alias:target!hint!inner(items)`, or `...target(items)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Embed<'q> {
    pub(crate) alias: Option<Cow<'q, str>>,
    pub(crate) target: Cow<'q, str>,
    pub(crate) hint: Option<Cow<'q, str>>,
    pub(crate) inner: bool,
    /// `...`: the embed's columns become the parent's.
    pub(crate) spread: bool,
    pub(crate) items: Vec<Item<'q>>,
}

/// Embeds inside embeds before the request is refused; each level is a lateral join.
const DEPTH_MAX: usize = 32;

/// A whole list. Text after the list is ignored, as PostgREST does.
pub(crate) fn items<'q>(cursor: &mut Cursor<'q>) -> Parsed<Vec<Item<'q>>> {
    forest(cursor, 0)
}

fn forest<'q>(cursor: &mut Cursor<'q>, depth: usize) -> Parsed<Vec<Item<'q>>> {
    let mut items = Vec::new();
    let Some(first) = cursor.optional(|cursor| item(cursor, depth))? else { return Ok(items) };
    items.push(first);
    while cursor.optional(|cursor| cursor.lexeme(|cursor| cursor.literal(",")))?.is_some() {
        items.push(item(cursor, depth)?);
    }
    Ok(items)
}

fn item<'q>(cursor: &mut Cursor<'q>, depth: usize) -> Parsed<Item<'q>> {
    let head = cursor.either(
        |cursor| cursor.attempt(spread_head),
        |cursor| cursor.either(|cursor| cursor.attempt(embed_head), selected_field),
    )?;
    let Item::Embed(mut embed) = head else { return Ok(head) };
    if depth == DEPTH_MAX {
        return Err(Miss);
    }
    cursor.literal("(")?;
    embed.items = forest(cursor, depth + 1)?;
    cursor.literal(")")?;
    Ok(Item::Embed(embed))
}

fn spread_head<'q>(cursor: &mut Cursor<'q>) -> Parsed<Item<'q>> {
    cursor.lexeme(|cursor| {
        cursor.literal("...")?;
        let target = field_name(cursor)?;
        embed_parameters(
            cursor,
            Embed { alias: None, target, hint: None, inner: false, spread: true, items: vec![] },
        )
    })
}

fn embed_head<'q>(cursor: &mut Cursor<'q>) -> Parsed<Item<'q>> {
    cursor.lexeme(|cursor| {
        let alias = alias(cursor)?;
        let target = field_name(cursor)?;
        if target == "count" {
            return Err(Miss);
        }
        embed_parameters(
            cursor,
            Embed { alias, target, hint: None, inner: false, spread: false, items: vec![] },
        )
    })
}

/// Up to two of `!left`, `!inner` and `!hint`, before the opening parenthesis.
fn embed_parameters<'q>(cursor: &mut Cursor<'q>, mut embed: Embed<'q>) -> Parsed<Item<'q>> {
    let mut joined = false;
    for _ in 0..2 {
        let parameter = cursor.optional(|cursor| {
            cursor.literal("!")?;
            cursor.either(
                |cursor| cursor.literal("left").map(|()| Parameter::Join { inner: false }),
                |cursor| {
                    cursor.either(
                        |cursor| cursor.literal("inner").map(|()| Parameter::Join { inner: true }),
                        |cursor| cursor.attempt(field_name).map(Parameter::Hint),
                    )
                },
            )
        })?;
        match parameter {
            Some(Parameter::Join { inner }) if !joined => (embed.inner, joined) = (inner, true),
            Some(Parameter::Hint(hint)) if embed.hint.is_none() => embed.hint = Some(hint),
            Some(_) => {}
            None => break,
        }
    }
    if cursor.sees("(") { Ok(Item::Embed(embed)) } else { Err(Miss) }
}

enum Parameter<'q> {
    Join { inner: bool },
    Hint(Cow<'q, str>),
}

/// `alias:`, but not the first half of a `::` cast.
fn alias<'q>(cursor: &mut Cursor<'q>) -> Parsed<Option<Cow<'q, str>>> {
    cursor.optional(|cursor| {
        cursor.attempt(|cursor| {
            let alias = field_name(cursor)?;
            cursor.literal(":")?;
            cursor.not_followed_by(Some(":"), |found| found == ':')?;
            Ok(alias)
        })
    })
}

fn selected_field<'q>(cursor: &mut Cursor<'q>) -> Parsed<Item<'q>> {
    cursor.lexeme(|cursor| {
        cursor.either(
            |cursor| cursor.attempt(star),
            |cursor| cursor.either(|cursor| cursor.attempt(count_rows), named_field),
        )
    })
}

fn star<'q>(cursor: &mut Cursor<'q>) -> Parsed<Item<'q>> {
    cursor.literal("*")?;
    item_end(cursor)?;
    Ok(Item::Field(SelectedField { alias: None, field: Field::column("*"), cast: None, aggregate: None }))
}

fn count_rows<'q>(cursor: &mut Cursor<'q>) -> Parsed<Item<'q>> {
    let alias = alias(cursor)?;
    cursor.literal("count()")?;
    let aggregate = Some(Aggregate { function: "count", distinct: false, cast: cast(cursor)? });
    item_end(cursor)?;
    Ok(Item::Field(SelectedField { alias, field: Field::column("*"), cast: None, aggregate }))
}

fn named_field<'q>(cursor: &mut Cursor<'q>) -> Parsed<Item<'q>> {
    let alias = alias(cursor)?;
    let field = field(cursor)?;
    let field_cast = cast(cursor)?;
    let function = cursor.optional(|cursor| cursor.attempt(aggregate_function))?;
    let aggregate_cast = cast(cursor)?;
    item_end(cursor)?;
    let aggregate =
        function.map(|(function, distinct)| Aggregate { function, distinct, cast: aggregate_cast });
    Ok(Item::Field(SelectedField { alias, field, cast: field_cast, aggregate }))
}

/// `.function()` or `.function(distinct)`.
pub(super) fn aggregate_function(cursor: &mut Cursor<'_>) -> Parsed<(&'static str, bool)> {
    cursor.literal(".")?;
    for function in ["sum", "avg", "count", "max", "min"] {
        if cursor.literal(function).is_ok() {
            // Looked for first, so that what PostgREST wants here stays the only thing told as wanted.
            let distinct = cursor.rest().starts_with(DISTINCT);
            cursor.literal(if distinct { DISTINCT } else { "()" })?;
            return Ok((function, distinct));
        }
    }
    Err(Miss)
}

const DISTINCT: &str = "(distinct)";

fn cast<'q>(cursor: &mut Cursor<'q>) -> Parsed<Option<&'q str>> {
    cursor.optional(|cursor| {
        cursor.literal("::")?;
        identifier(cursor)
    })
}

fn item_end(cursor: &mut Cursor<'_>) -> Parsed<()> {
    if cursor.sees(")") || cursor.sees(",") { Ok(()) } else { cursor.end() }
}
