//! Names, JSON paths and the values that operators take.

use std::borrow::Cow;

use super::cursor::{Cursor, Parsed};

/// A column with a path into it: `data->address->>city`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field<'q> {
    pub(crate) name: Cow<'q, str>,
    pub(crate) path: Vec<Step<'q>>,
}

/// One arrow of a JSON path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step<'q> {
    /// `->>` instead of `->`.
    pub(crate) as_text: bool,
    pub(crate) operand: Operand<'q>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operand<'q> {
    Key(Cow<'q, str>),
    /// A decimal number with an optional minus, as written.
    Index(&'q str),
}

impl<'q> Field<'q> {
    pub(crate) fn column(name: impl Into<Cow<'q, str>>) -> Self {
        Self { name: name.into(), path: Vec::new() }
    }

    /// What the value is called in the result: the last key of the path, which for `data->a->1` is
    /// `a`, or nothing when the column's own name will do.
    pub(crate) fn last_key(&self) -> Option<Cow<'q, str>> {
        self.path.last()?;
        let key = self.path.iter().rev().find_map(|step| match &step.operand {
            Operand::Key(key) => Some(key.clone()),
            Operand::Index(_) => None,
        });
        Some(key.unwrap_or_else(|| self.name.clone()))
    }
}

fn is_identifier_symbol(found: char) -> bool {
    matches!(found, '_' | ' ' | '$')
}

fn identifier_char(cursor: &mut Cursor<'_>) -> Parsed<char> {
    cursor
        .one_of("letter", char::is_alphabetic)
        .or_else(|_| cursor.one_of("digit", |found| found.is_ascii_digit()))
        .or_else(|_| cursor.satisfy(is_identifier_symbol))
}

/// Letters, digits, `_`, `$` and blanks; trimmed.
pub(crate) fn identifier<'q>(cursor: &mut Cursor<'q>) -> Parsed<&'q str> {
    let start = cursor.at();
    identifier_char(cursor)?;
    cursor.take_while(|found| found.is_alphabetic() || found.is_ascii_digit() || is_identifier_symbol(found));
    let text = cursor.since(start);
    // Says again what could go on, as one more failing character would.
    let _ = identifier_char_wanted(cursor);
    Ok(text.trim_matches(' '))
}

fn identifier_char_wanted(cursor: &mut Cursor<'_>) -> Parsed<char> {
    cursor.one_of("letter", |_| false).or_else(|_| cursor.one_of("digit", |_| false))
}

/// `part-part-part`; a `-` before `>` belongs to an arrow.
fn dashed<'q>(cursor: &mut Cursor<'q>, part: fn(&mut Cursor<'q>) -> Parsed<&'q str>) -> Parsed<Cow<'q, str>> {
    let mut name = Cow::Borrowed(part(cursor)?);
    loop {
        let dash = cursor.optional(|cursor| {
            cursor.attempt(|cursor| {
                cursor.literal("-")?;
                cursor.not_followed_by(Some(">"), |found| found == '>')
            })
        })?;
        if dash.is_none() {
            return Ok(name);
        }
        let next = part(cursor)?;
        let name = name.to_mut();
        name.push('-');
        name.push_str(next);
    }
}

/// A column's, relation's or embed's name: quoted, or identifiers joined by dashes.
pub(crate) fn field_name<'q>(cursor: &mut Cursor<'q>) -> Parsed<Cow<'q, str>> {
    cursor.described("field name (* or [a..z0..9_$])", |cursor| {
        cursor.either(quoted, |cursor| dashed(cursor, identifier))
    })
}

/// `"…"`, where a backslash takes the next character as it is.
pub(crate) fn quoted<'q>(cursor: &mut Cursor<'q>) -> Parsed<Cow<'q, str>> {
    cursor.literal("\"")?;
    let start = cursor.at();
    cursor.take_while(|found| found != '\\' && found != '"');
    let mut value = Cow::Borrowed(cursor.since(start));
    while cursor.optional(|cursor| cursor.literal("\\"))?.is_some() {
        value.to_mut().push(cursor.satisfy(|_| true)?);
        let start = cursor.at();
        cursor.take_while(|found| found != '\\' && found != '"');
        value.to_mut().push_str(cursor.since(start));
    }
    cursor.literal("\"")?;
    Ok(value)
}

/// A field with an optional JSON path, between optional blanks.
pub(crate) fn field<'q>(cursor: &mut Cursor<'q>) -> Parsed<Field<'q>> {
    cursor.lexeme(|cursor| {
        let name = field_name(cursor)?;
        Ok(Field { name, path: json_path(cursor)? })
    })
}

/// Any number of arrows.
pub(crate) fn json_path<'q>(cursor: &mut Cursor<'q>) -> Parsed<Vec<Step<'q>>> {
    let mut path = Vec::new();
    loop {
        let arrow = cursor.optional(|cursor| {
            cursor.either(
                |cursor| cursor.literal("->>").map(|()| true),
                |cursor| cursor.literal("->").map(|()| false),
            )
        })?;
        let Some(as_text) = arrow else { return Ok(path) };
        let operand = cursor.either(
            |cursor| cursor.attempt(index),
            |cursor| cursor.attempt(|cursor| key(cursor).map(Operand::Key)),
        )?;
        path.push(Step { as_text, operand });
    }
}

fn index<'q>(cursor: &mut Cursor<'q>) -> Parsed<Operand<'q>> {
    let start = cursor.at();
    cursor.optional(|cursor| cursor.literal("-"))?;
    cursor.one_of("digit", |found| found.is_ascii_digit())?;
    cursor.take_while(|found| found.is_ascii_digit());
    let number = cursor.since(start);
    let _ = cursor.one_of("digit", |_| false);
    let ends = ["->", "::", ".", ","].into_iter().any(|next| cursor.sees(next));
    if !ends {
        cursor.end()?;
    }
    Ok(Operand::Index(number))
}

fn key<'q>(cursor: &mut Cursor<'q>) -> Parsed<Cow<'q, str>> {
    cursor.described("any non reserved character different from: .,>()", |cursor| {
        cursor.either(quoted, |cursor| dashed(cursor, key_part))
    })
}

fn key_part<'q>(cursor: &mut Cursor<'q>) -> Parsed<&'q str> {
    let fits = |found: char| !matches!(found, '(' | '-' | ':' | '.' | ',' | '>' | ')');
    let start = cursor.at();
    cursor.satisfy(fits)?;
    cursor.take_while(fits);
    Ok(cursor.since(start).trim())
}

/// `.` between the parts of a path or an expression.
pub(crate) fn delimiter(cursor: &mut Cursor<'_>) -> Parsed<()> {
    cursor.described("delimiter (.)", |cursor| cursor.literal("."))
}
