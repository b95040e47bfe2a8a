//! Filters: `column=op.value`, and the logic trees of `and=(…)` and `or=(…)`.

use std::borrow::Cow;

use super::cursor::{Cursor, Miss, Parsed};
use super::field::{Field, delimiter, field, identifier, quoted};

/// One condition on a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter<'q> {
    pub(crate) field: Field<'q>,
    pub(crate) negated: bool,
    pub(crate) test: Test<'q>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Test<'q> {
    /// An operator with one operand, e.g. `=`.
    Compare {
        operator: &'static Operator,
        quantifier: Option<Quantifier>,
        value: Cow<'q, str>,
    },
    /// `IS` with a keyword, e.g. `NOT NULL`.
    Is(&'static str),
    IsDistinctFrom(Cow<'q, str>),
    In(Vec<Cow<'q, str>>),
    /// `@@` with a function that makes a `tsquery`.
    FullText {
        function: &'static str,
        language: Option<&'q str>,
        value: Cow<'q, str>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantifier {
    Any,
    All,
}

/// A row of the operator table: a new operator is a new row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
    /// Takes `(any)` and `(all)`.
    pub(crate) quantifiable: bool,
    /// `*` in the operand means `%`.
    pub(crate) starred: bool,
}

const fn operator(name: &'static str, sql: &'static str) -> Operator {
    Operator { name, sql, quantifiable: false, starred: false }
}

const fn quantifiable(name: &'static str, sql: &'static str) -> Operator {
    Operator { name, sql, quantifiable: true, starred: false }
}

/// In the order in which they are tried: a name stands before its own prefixes.
static OPERATORS: [Operator; 18] = [
    operator("neq", "<>"),
    operator("cs", "@>"),
    operator("cd", "<@"),
    operator("ov", "&&"),
    operator("sl", "<<"),
    operator("sr", ">>"),
    operator("nxr", "&<"),
    operator("nxl", "&>"),
    operator("adj", "-|-"),
    quantifiable("eq", "="),
    quantifiable("gte", ">="),
    quantifiable("gt", ">"),
    quantifiable("lte", "<="),
    quantifiable("lt", "<"),
    Operator { name: "like", sql: "LIKE", quantifiable: true, starred: true },
    Operator { name: "ilike", sql: "ILIKE", quantifiable: true, starred: true },
    quantifiable("match", "~"),
    quantifiable("imatch", "~*"),
];

const FULL_TEXT: [(&str, &str); 4] = [
    ("fts", "to_tsquery"),
    ("plfts", "plainto_tsquery"),
    ("phfts", "phraseto_tsquery"),
    ("wfts", "websearch_to_tsquery"),
];

const IS_KEYWORDS: [(&str, &str); 5] = [
    ("null", "NULL"),
    ("not_null", "NOT NULL"),
    ("true", "TRUE"),
    ("false", "FALSE"),
    ("unknown", "UNKNOWN"),
];

/// A tree of `and` and `or`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Logic<'q> {
    Filter(Filter<'q>),
    Group { negated: bool, any: bool, terms: Vec<Logic<'q>> },
}

/// Groups inside groups before the request is refused.
const DEPTH_MAX: usize = 64;

/// How far a value goes: to the end of the parameter, or to a `,` or `)` of the logic tree.
#[derive(Clone, Copy)]
pub(crate) enum Extent {
    Parameter,
    Term,
}

/// `[not.]op.value`.
pub(crate) fn test<'q>(cursor: &mut Cursor<'q>, extent: Extent) -> Parsed<(bool, Test<'q>)> {
    let negated = cursor.optional(|cursor| {
        cursor.attempt(|cursor| {
            cursor.literal("not")?;
            delimiter(cursor)
        })
    })?;
    let test = cursor.described("operator (eq, gt, ...)", |cursor| operation(cursor, extent))?;
    Ok((negated.is_some(), test))
}

fn operation<'q>(cursor: &mut Cursor<'q>, extent: Extent) -> Parsed<Test<'q>> {
    if keyword(cursor, "in")? {
        return list(cursor).map(Test::In);
    }
    if keyword(cursor, "is")? {
        return is_keyword(cursor).map(Test::Is);
    }
    if keyword(cursor, "isdistinct")? {
        return value(cursor, extent).map(Test::IsDistinctFrom);
    }
    cursor.either(
        |cursor| cursor.attempt(|cursor| full_text(cursor, extent)),
        |cursor| {
            cursor.either(
                |cursor| cursor.attempt(|cursor| compare(cursor, extent, false)),
                |cursor| cursor.attempt(|cursor| compare(cursor, extent, true)),
            )
        },
    )
}

/// Whether `name.` comes next; consumes it if so.
fn keyword(cursor: &mut Cursor<'_>, name: &'static str) -> Parsed<bool> {
    let found = cursor.optional(|cursor| {
        cursor.attempt(|cursor| {
            cursor.literal(name)?;
            delimiter(cursor)
        })
    })?;
    Ok(found.is_some())
}

fn compare<'q>(cursor: &mut Cursor<'q>, extent: Extent, quantifiable: bool) -> Parsed<Test<'q>> {
    let operator = cursor.described("unknown single value operator", |cursor| {
        OPERATORS
            .iter()
            .filter(|operator| operator.quantifiable == quantifiable)
            .find(|operator| cursor.literal(operator.name).is_ok())
            .ok_or(Miss)
    })?;
    let quantifier = if quantifiable {
        cursor.optional(|cursor| {
            cursor.attempt(|cursor| {
                cursor.literal("(")?;
                let quantifier = cursor.either(
                    |cursor| cursor.literal("any").map(|()| Quantifier::Any),
                    |cursor| cursor.literal("all").map(|()| Quantifier::All),
                )?;
                cursor.literal(")")?;
                Ok(quantifier)
            })
        })?
    } else {
        None
    };
    delimiter(cursor)?;
    Ok(Test::Compare { operator, quantifier, value: value(cursor, extent)? })
}

fn full_text<'q>(cursor: &mut Cursor<'q>, extent: Extent) -> Parsed<Test<'q>> {
    let function = FULL_TEXT.iter().find(|(name, _)| cursor.literal(name).is_ok()).ok_or(Miss)?.1;
    let language = cursor.optional(|cursor| {
        cursor.attempt(|cursor| {
            cursor.literal("(")?;
            let language = identifier(cursor)?;
            cursor.literal(")")?;
            Ok(language)
        })
    })?;
    delimiter(cursor)?;
    Ok(Test::FullText { function, language, value: value(cursor, extent)? })
}

fn is_keyword(cursor: &mut Cursor<'_>) -> Parsed<&'static str> {
    cursor.described("isVal: (null, not_null, true, false, unknown)", |cursor| {
        for (name, sql) in IS_KEYWORDS {
            let found = cursor.attempt(|cursor| {
                name.chars().try_for_each(|wanted| {
                    cursor.satisfy(|found| found.to_ascii_lowercase() == wanted).map(|_| ())
                })
            });
            if found.is_ok() {
                return Ok(sql);
            }
        }
        Err(Miss)
    })
}

fn value<'q>(cursor: &mut Cursor<'q>, extent: Extent) -> Parsed<Cow<'q, str>> {
    match extent {
        Extent::Parameter => Ok(Cow::Borrowed(cursor.take_while(|_| true))),
        Extent::Term => cursor.either(
            |cursor| cursor.attempt(quoted_element),
            |cursor| {
                cursor.either(
                    |cursor| cursor.attempt(array_literal),
                    |cursor| Ok(Cow::Borrowed(cursor.take_while(|found| !matches!(found, ',' | ')')))),
                )
            },
        ),
    }
}

fn array_literal<'q>(cursor: &mut Cursor<'q>) -> Parsed<Cow<'q, str>> {
    let start = cursor.at();
    cursor.literal("{")?;
    cursor.take_while(|found| !matches!(found, '{' | '}'));
    cursor.literal("}")?;
    Ok(Cow::Borrowed(cursor.since(start)))
}

/// A quoted value that ends where an element may end.
fn quoted_element<'q>(cursor: &mut Cursor<'q>) -> Parsed<Cow<'q, str>> {
    let value = quoted(cursor)?;
    cursor.not_followed_by(None, |found| !matches!(found, ',' | ')'))?;
    Ok(value)
}

fn list<'q>(cursor: &mut Cursor<'q>) -> Parsed<Vec<Cow<'q, str>>> {
    let element = |cursor: &mut Cursor<'q>| {
        cursor.either(
            |cursor| cursor.attempt(quoted_element),
            |cursor| Ok(Cow::Borrowed(cursor.take_while(|found| !matches!(found, ',' | ')')))),
        )
    };
    cursor.lexeme(|cursor| cursor.literal("("))?;
    let mut values = vec![element(cursor)?];
    while cursor.optional(|cursor| cursor.literal(","))?.is_some() {
        values.push(element(cursor)?);
    }
    cursor.lexeme(|cursor| cursor.literal(")"))?;
    Ok(values)
}

/// `field.op.value`, or `[not.]and(…)` and `[not.]or(…)`.
fn logic_at<'q>(cursor: &mut Cursor<'q>, depth: usize) -> Parsed<Logic<'q>> {
    cursor.either(
        |cursor| {
            cursor.attempt(|cursor| {
                let field = field(cursor)?;
                delimiter(cursor)?;
                let (negated, test) = test(cursor, Extent::Term)?;
                Ok(Logic::Filter(Filter { field, negated, test }))
            })
        },
        |cursor| group(cursor, depth),
    )
}

fn group<'q>(cursor: &mut Cursor<'q>, depth: usize) -> Parsed<Logic<'q>> {
    if depth == DEPTH_MAX {
        return Err(Miss);
    }
    let negated = cursor.described("negation operator (not)", |cursor| keyword(cursor, "not"))?;
    let any = cursor.described("logic operator (and, or)", |cursor| {
        cursor.either(
            |cursor| cursor.literal("and").map(|()| false),
            |cursor| cursor.literal("or").map(|()| true),
        )
    })?;
    let terms = group_terms(cursor, depth)?;
    Ok(Logic::Group { negated, any, terms })
}

fn group_terms<'q>(cursor: &mut Cursor<'q>, depth: usize) -> Parsed<Vec<Logic<'q>>> {
    cursor.lexeme(|cursor| cursor.literal("("))?;
    let mut terms = vec![logic_at(cursor, depth + 1)?];
    while cursor.optional(|cursor| cursor.lexeme(|cursor| cursor.literal(",")))?.is_some() {
        terms.push(logic_at(cursor, depth + 1)?);
    }
    cursor.lexeme(|cursor| cursor.literal(")"))?;
    Ok(terms)
}

/// The tree of a parameter `and=(…)`, whose operator stands in its name. Line, column and sentence
/// of a fault count as if the operator stood before the value.
pub(crate) fn group_of<'q>(
    value: &'q str,
    operator: &'static str,
) -> Result<Logic<'q>, (usize, usize, String)> {
    let mut cursor = Cursor::after(operator, value);
    group_terms(&mut cursor, 0)
        .map(|terms| Logic::Group {
            negated: operator.starts_with("not."),
            any: operator.ends_with("or"),
            terms,
        })
        .map_err(|_| cursor.explain())
}
