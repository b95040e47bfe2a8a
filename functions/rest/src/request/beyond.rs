//! Parameters that PostgREST does not have: `after`, `distinct` and `having`.
//!
//! PostgREST reads them as filters on columns of these names, and so does this wherever the value is a
//! filter: `after=eq.x` compares a column. Only values that PostgREST refuses, because no filter begins
//! like them, get the new meaning, and only where relations are read; a function called by GET takes
//! them as arguments, as ever.

use std::borrow::Cow;

use super::cursor::{Cursor, Miss, Parsed};
use super::field::{Field, delimiter, field, field_name};
use super::filter::{Extent, Test, test};
use super::query::{Path, QueryFault};
use super::select::{Aggregate, aggregate_function};

/// What of it a query string holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Additions<'q> {
    /// The page's beginning: a cursor of the page before, or nothing for the first page.
    pub(crate) after: Option<&'q str>,
    pub(crate) distinct: Vec<(Path<'q>, Distinct<'q>)>,
    pub(crate) having: Vec<(Path<'q>, Vec<Having<'q>>)>,
    /// What PostgREST says to the first of them; the answer where they mean nothing.
    pub(crate) fault: Option<QueryFault>,
}

/// Which rows count as the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Distinct<'q> {
    /// `*`: those equal in everything that is selected.
    Rows,
    /// Those equal in these columns; the first of them in the order is shown.
    On(Vec<Cow<'q, str>>),
}

/// A condition on a group: `price.sum().gt.100`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Having<'q> {
    /// Without a field, rows are counted.
    pub(crate) field: Option<Field<'q>>,
    pub(crate) aggregate: Aggregate<'q>,
    pub(crate) negated: bool,
    pub(crate) test: Test<'q>,
}

impl<'q> Additions<'q> {
    /// Takes a parameter whose value is no filter. False when it means nothing here either.
    pub(super) fn take(
        &mut self,
        path: &Path<'q>,
        field: &Field<'q>,
        value: &'q str,
        fault: &QueryFault,
    ) -> bool {
        if !field.path.is_empty() {
            return false;
        }
        let taken = match field.name.as_ref() {
            "after" if path.is_empty() && self.after.is_none() && is_token(value) => {
                self.after = Some(value);
                true
            }
            "distinct" => {
                whole(value, distinct).map(|fields| self.distinct.push((path.clone(), fields))).is_some()
            }
            "having" => whole(value, having).map(|terms| self.having.push((path.clone(), terms))).is_some(),
            _ => false,
        };
        if taken && self.fault.is_none() {
            self.fault = Some(fault.clone());
        }
        taken
    }
}

/// The characters of base64 for URLs (RFC 4648 §5): no filter is made of them, for each has a dot or a
/// parenthesis after its operator.
pub(super) fn is_token(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn whole<'q, T>(value: &'q str, parse: impl FnOnce(&mut Cursor<'q>) -> Parsed<T>) -> Option<T> {
    let mut cursor = Cursor::new(value);
    let parsed = parse(&mut cursor).ok()?;
    cursor.rest().is_empty().then_some(parsed)
}

fn distinct<'q>(cursor: &mut Cursor<'q>) -> Parsed<Distinct<'q>> {
    if cursor.literal("*").is_ok() {
        return Ok(Distinct::Rows);
    }
    listed(cursor, |cursor| cursor.lexeme(field_name)).map(Distinct::On)
}

fn having<'q>(cursor: &mut Cursor<'q>) -> Parsed<Vec<Having<'q>>> {
    listed(cursor, condition)
}

fn listed<'q, T>(cursor: &mut Cursor<'q>, each: fn(&mut Cursor<'q>) -> Parsed<T>) -> Parsed<Vec<T>> {
    let mut items = vec![each(cursor)?];
    while cursor.literal(",").is_ok() {
        items.push(each(cursor)?);
    }
    Ok(items)
}

/// `count().op.value` or `field.aggregate().op.value`.
fn condition<'q>(cursor: &mut Cursor<'q>) -> Parsed<Having<'q>> {
    cursor.skip_spaces();
    let (field, aggregate) = if cursor.literal("count()").is_ok() {
        (None, Aggregate { function: "count", distinct: false, cast: None })
    } else {
        let field = field(cursor)?;
        let (function, distinct) = aggregate_function(cursor)?;
        (Some(field), Aggregate { function, distinct, cast: None })
    };
    delimiter(cursor)?;
    let (negated, test) = test(cursor, Extent::Term)?;
    // Full text search is about rows, not about groups of them.
    if matches!(test, Test::FullText { .. }) {
        return Err(Miss);
    }
    Ok(Having { field, aggregate, negated, test })
}
