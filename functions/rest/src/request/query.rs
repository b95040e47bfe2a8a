//! The query string: which parameter means what.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::beyond::{Additions, is_token};
use super::cursor::{Cursor, Parsed};
use super::filter::{Extent, Filter, Logic, group_of, test};
use super::order::{OrderTerm, dotted, names, terms, terms_of_groups, tree_path};
use super::range::RowRange;
use super::select::{Item, items};

/// Names of embeds from the root down; empty for the root itself.
pub(crate) type Path<'q> = Vec<Cow<'q, str>>;

/// A query string, decoded once; what [`Query`] borrows from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameters<'r> {
    pairs: Vec<(Cow<'r, str>, Option<Cow<'r, str>>)>,
}

/// The parameters by meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query<'q> {
    pub(crate) select: Vec<Item<'q>>,
    pub(crate) filters: Vec<(Path<'q>, Filter<'q>)>,
    /// The keys of all filters, as written: PUT wants them to be the primary key.
    pub(crate) filter_keys: Vec<&'q str>,
    pub(crate) logic: Vec<(Path<'q>, Logic<'q>)>,
    pub(crate) orders: Vec<(Path<'q>, Vec<OrderTerm<'q>>)>,
    /// The root's own range is at the empty path.
    pub(crate) ranges: Vec<(Path<'q>, RowRange)>,
    pub(crate) columns: Option<Vec<Cow<'q, str>>>,
    pub(crate) on_conflict: Option<Vec<Cow<'q, str>>>,
    /// A function's arguments, where a value does not read as a filter.
    pub(crate) arguments: Vec<(&'q str, &'q str)>,
    /// What PostgREST does not have.
    pub(crate) additions: Additions<'q>,
}

/// A parameter that does not parse: PGRST100.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueryFault {
    pub(crate) message: String,
    pub(crate) details: String,
}

impl<'r> Parameters<'r> {
    pub(crate) fn decode(query: &'r str) -> Self {
        let pairs = query
            .split(['&', ';'])
            .filter(|piece| !piece.is_empty())
            .map(|piece| match piece.split_once('=') {
                Some((key, value)) => (decoded(key), Some(decoded(value))),
                None => (decoded(piece), None),
            })
            .collect();
        Self { pairs }
    }

    /// The first value of `key`.
    fn first(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(name, _)| name == key)?.1.as_deref()
    }

    /// The parameters as sent, without those of one name whose value is a cursor.
    pub(crate) fn pieces_without<'n>(query: &'n str, name: &'n str) -> impl Iterator<Item = &'n str> {
        query.split(['&', ';']).filter(move |piece| {
            let (key, value) = piece.split_once('=').unwrap_or((piece, ""));
            !piece.is_empty() && (decoded(key) != name || !is_token(&decoded(value)))
        })
    }

    /// All parameters, sorted by name and joined where one name has several values: the text of
    /// `Content-Location`.
    pub(crate) fn canonical(&self) -> String {
        let mut sorted = self.pairs.iter().collect::<Vec<_>>();
        sorted.sort_by(|one, two| one.0.cmp(&two.0));
        let mut text = String::new();
        let mut previous = None;
        for (key, value) in sorted {
            if previous == Some(key) {
                text.push(',');
            } else {
                if previous.is_some() {
                    text.push('&');
                }
                text.extend(utf8_percent_encode(key, URL_RESERVED));
                text.push('=');
            }
            text.extend(utf8_percent_encode(value.as_deref().unwrap_or(""), URL_RESERVED));
            previous = Some(key);
        }
        text
    }
}

/// All but what RFC 3986 §2.3 calls unreserved.
pub(crate) const URL_RESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Pairs of a form body or query string; a name without `=` has an empty value.
pub(crate) fn form_pairs(text: &str) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    Parameters::decode(text).pairs.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect()
}

fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['+', '%']) {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}

/// What the last word of a key makes of it.
enum Kind {
    Order,
    Limit,
    Offset,
    Logic,
    Filter,
}

fn kind(key: &str) -> Kind {
    match key.rsplit('.').next().unwrap_or(key) {
        "order" => Kind::Order,
        "limit" => Kind::Limit,
        "offset" => Kind::Offset,
        "and" | "or" => Kind::Logic,
        _ => Kind::Filter,
    }
}

impl<'q> Query<'q> {
    /// `arguments_allowed`: the request reads a function, so values that are no filters are its
    /// arguments instead of errors.
    pub(crate) fn parse(parameters: &'q Parameters<'_>, arguments_allowed: bool) -> Result<Self, QueryFault> {
        let mut query = Self {
            select: Vec::new(),
            filters: Vec::new(),
            filter_keys: Vec::new(),
            logic: Vec::new(),
            orders: Vec::new(),
            ranges: ranges(parameters)?,
            columns: None,
            on_conflict: None,
            arguments: Vec::new(),
            additions: Additions::default(),
        };
        for (key, value) in &parameters.pairs {
            let Some(value) = value.as_deref() else { continue };
            match kind(key) {
                Kind::Order => {
                    let terms = parsed(value, "order", value, terms)
                        .or_else(|fault| terms_of_groups(&mut Cursor::new(value)).map_err(|_| fault))?;
                    query.orders.push((embed_path(key)?, terms));
                }
                Kind::Limit | Kind::Offset => {}
                Kind::Logic => query.logic.push(logic_tree(key, value)?),
                Kind::Filter if matches!(key.as_ref(), "select" | "columns" | "on_conflict") => {}
                Kind::Filter => query.add_filter(key, value, arguments_allowed)?,
            }
        }
        if let Some(columns) = parameters.first("columns") {
            query.columns = Some(parsed(columns, "columns parameter", columns, names)?);
        }
        let select = parameters.first("select").unwrap_or("*");
        query.select = parsed(select, "select parameter", select, items)?;
        if let Some(columns) = parameters.first("on_conflict") {
            query.on_conflict = Some(parsed(columns, "on_conflict parameter", columns, names)?);
        }
        Ok(query)
    }

    fn add_filter(
        &mut self,
        key: &'q str,
        value: &'q str,
        arguments_allowed: bool,
    ) -> Result<(), QueryFault> {
        let (path, field) = parsed(key, "tree path", key, tree_path)?;
        self.filter_keys.push(key);
        let mut cursor = Cursor::new(value);
        match test(&mut cursor, Extent::Parameter) {
            Ok((negated, test)) => self.filters.push((path, Filter { field, negated, test })),
            // A value that begins like a filter and goes wrong later is a faulty filter.
            Err(_) if arguments_allowed && cursor.at() == 0 => self.arguments.push((key, value)),
            Err(_) => {
                let fault = fault(&cursor, "filter", value);
                if !self.additions.take(&path, &field, value, &fault) {
                    return Err(fault);
                }
            }
        }
        Ok(())
    }
}

fn embed_path(key: &str) -> Result<Path<'_>, QueryFault> {
    Ok(parsed(key, "tree path", key, tree_path)?.0)
}

/// `and`, `not.or`, `embed.or`, `embed.not.and`: the operator belongs to the tree.
fn logic_tree<'q>(key: &'q str, value: &'q str) -> Result<(Path<'q>, Logic<'q>), QueryFault> {
    let mut path = parsed(key, "logic path", key, dotted)?;
    let any = path.pop().is_some_and(|name| name == "or");
    let negated = path.iter().any(|name| name == "not");
    path.retain(|name| name != "not");
    // The value alone is no tree; with its operator before it, it is parsed like any inner one.
    let prefix = match (negated, any) {
        (false, false) => "and",
        (false, true) => "or",
        (true, false) => "not.and",
        (true, true) => "not.or",
    };
    let tree = group_of(value, prefix).map_err(|(line, column, details)| QueryFault {
        message: format!("\"failed to parse logic tree ({value})\" (line {line}, column {column})"),
        details,
    })?;
    Ok((path, tree))
}

fn parsed<'q, T>(
    text: &'q str,
    what: &str,
    shown: &str,
    parse: impl FnOnce(&mut Cursor<'q>) -> Parsed<T>,
) -> Result<T, QueryFault> {
    let mut cursor = Cursor::new(text);
    parse(&mut cursor).map_err(|_| fault(&cursor, what, shown))
}

fn fault(cursor: &Cursor<'_>, what: &str, shown: &str) -> QueryFault {
    let (line, column, details) = cursor.explain();
    QueryFault {
        message: format!("\"failed to parse {what} ({shown})\" (line {line}, column {column})"),
        details,
    }
}

/// Limits and offsets by embed path; `limit` and `offset` of one path make one range.
fn ranges<'q>(parameters: &'q Parameters<'_>) -> Result<Vec<(Path<'q>, RowRange)>, QueryFault> {
    let mut texts: Vec<(&'q str, [Option<&'q str>; 2])> = Vec::new();
    for (key, value) in &parameters.pairs {
        let (Some(value), Kind::Limit | Kind::Offset) = (value.as_deref(), kind(key)) else { continue };
        let (prefix, slot) = match key.rsplit_once('.') {
            Some((prefix, word)) => (prefix, usize::from(word == "offset")),
            None => ("", usize::from(key == "offset")),
        };
        match texts.iter_mut().find(|(known, _)| *known == prefix) {
            // Of several, the last counts.
            Some((_, range)) => range[slot] = Some(value),
            None => {
                let mut range = [None, None];
                range[slot] = Some(value);
                texts.push((prefix, range));
            }
        }
    }
    texts
        .into_iter()
        .map(|(prefix, [limit, offset])| {
            let path =
                if prefix.is_empty() { Vec::new() } else { parsed(prefix, "tree path", prefix, dotted)? };
            Ok((path, RowRange::from_texts(limit, offset)))
        })
        .collect()
}
