//! Pages by cursor, distinct rows, conditions on groups.

use std::borrow::Cow;

use crate::plan::{Keyset, Node, Qualifier};
use crate::request::{Aggregate, Distinct, Field, Having, OrderTerm, Quantifier, RowRange, Test};

use super::condition::Scope;
use super::{Sql, array_literal};

/// A term of a total order: one of the request's, or a column that breaks ties.
#[derive(Clone, Copy)]
enum Term<'n, 'a> {
    Asked(&'n OrderTerm<'a>),
    Tie(&'a str),
}

impl Term<'_, '_> {
    fn is_descending(self) -> bool {
        matches!(self, Self::Asked(term) if term.direction == Some("DESC"))
    }

    /// Whether nulls come after everything else. A column of the primary key has none, and an index
    /// finds the page by it.
    fn has_nulls_last(self, node: &Node<'_>) -> bool {
        let Self::Asked(term) = self else { return false };
        let in_key = |name: &Cow<'_, str>| {
            node.structure.is_some_and(|relation| relation.primary_key.iter().any(|key| **key == **name))
        };
        !plain_column(term).is_some_and(in_key)
            && match term.nulls {
                Some(nulls) => nulls == "NULLS LAST",
                None => !self.is_descending(),
            }
    }
}

fn terms<'n, 'a>(node: &'n Node<'a>, keyset: &Keyset<'a>) -> Vec<Term<'n, 'a>> {
    let asked = node.order.iter().map(|term| Term::Asked(term));
    asked.chain(keyset.ties.iter().map(|column| Term::Tie(column))).collect()
}

impl<'a> Sql<'a> {
    fn term(&mut self, node: &Node<'a>, term: Term<'_, 'a>) -> &mut Self {
        match term {
            Term::Asked(term) => self.ordered_field(node, term),
            Term::Tie(column) => self.column(node.qualifier(), column),
        }
    }

    /// The rows of a page in two parts, if they are to be read apart: those with a value in the first
    /// term's column, and those with none. Each is one range of an index, which no condition over both is;
    /// Postgres merges them in their order. It takes a condition into a part only where the part itself
    /// has none, so the parts go by numbers, and [`Self::after`] says what each of them holds.
    pub(super) fn parts(&mut self, node: &Node<'a>) -> bool {
        let columns = node.additions.keyset.as_ref().and_then(|keyset| keyset.columns.as_ref());
        let Some(columns) = columns else { return false };
        for before in ["(SELECT 0 AS pgrst_part", " UNION ALL SELECT 1"] {
            self.push(before);
            for column in columns {
                self.push(", ").column(node.qualifier(), column);
            }
            self.push(" FROM ").qualified(node.schema, node.relation).push(" AS ").identifier(node.relation);
        }
        self.push(") AS ").identifier(node.relation);
        true
    }

    /// Rows after the cursor, as a condition.
    pub(super) fn after(&mut self, node: &Node<'a>, keyset: &Keyset<'a>, values: &[Option<String>]) {
        let terms = terms(node, keyset);
        let pairs = terms.iter().copied().zip(values.iter().map(Option::as_deref)).collect::<Vec<_>>();
        let Some(((first, value), rest)) = pairs.split_first() else { return };
        let first = *first;
        let from = if first.is_descending() { " <= " } else { " >= " };
        let part = (Qualifier::Alias(node.relation), "pgrst_part");
        match value {
            Some(value) if keyset.columns.is_some() => {
                self.push("(").column(part.0, part.1).push(" = 0 AND ").term(node, first).push(from);
                self.text(value.to_string()).push(" AND ").beyond(node, &pairs);
                self.push(" OR ").column(part.0, part.1).push(" = 1 AND ");
                self.term(node, first).push(" IS NULL)");
            }
            None if keyset.columns.is_some() => {
                self.push("(").column(part.0, part.1).push(" = 0 AND ").term(node, first);
                self.push(" IS NULL AND ").beyond(node, rest);
                self.push(" OR ").column(part.0, part.1).push(" = 1 AND ");
                self.term(node, first).push(" IS NOT NULL)");
            }
            // Said twice, so that an index finds where the page begins.
            Some(value) if !first.has_nulls_last(node) => {
                self.term(node, first).push(from).text(value.to_string()).push(" AND ").beyond(node, &pairs);
            }
            Some(_) | None => self.beyond(node, &pairs),
        }
    }

    /// `(t > v OR (t = v AND (…)))`, with nulls in their place.
    fn beyond(&mut self, node: &Node<'a>, pairs: &[(Term<'_, 'a>, Option<&str>)]) {
        let Some(((term, value), rest)) = pairs.split_first() else { return };
        self.push("(");
        match value {
            Some(value) => {
                self.term(node, *term).push(if term.is_descending() { " < " } else { " > " });
                self.text(value.to_string());
                if term.has_nulls_last(node) {
                    self.push(" OR ").term(node, *term).push(" IS NULL");
                }
            }
            None if term.has_nulls_last(node) => {
                self.push("false");
            }
            None => {
                self.term(node, *term).push(" IS NOT NULL");
            }
        }
        if !rest.is_empty() {
            self.push(" OR (").term(node, *term);
            match value {
                Some(value) => self.push(" = ").text(value.to_string()),
                None => self.push(" IS NULL"),
            };
            self.push(" AND ");
            self.beyond(node, rest);
            self.push(")");
        }
        self.push(")");
    }

    /// The place of the page's last row, where the page is full; null otherwise. As the page's own rows
    /// may be of any form, it is asked for by a subquery of the same rows.
    pub(super) fn last_place(&mut self, node: &Node<'a>, keyset: &Keyset<'a>) -> &mut Self {
        let Some(rows) = node.range.limit().filter(|rows| *rows > 0) else { return self.push("null") };
        let last = RowRange { lower: rows - 1, upper: Some(rows - 1) };
        self.push("(").rows_as(node, None, last, |sql| {
            sql.push("json_build_array(");
            sql.joined(", ", terms(node, keyset), |sql, term| {
                sql.push("(").term(node, term).push(")::text");
            });
            sql.push(")");
        });
        self.push(")")
    }

    /// After `SELECT`.
    pub(super) fn distinct(&mut self, node: &Node<'a>) {
        match node.additions.distinct {
            None => {}
            Some(Distinct::Rows) => {
                self.push("DISTINCT ");
            }
            Some(Distinct::On(columns)) => {
                self.push("DISTINCT ON (");
                self.joined(", ", columns, |sql, column| {
                    sql.column(node.qualifier(), column);
                });
                self.push(") ");
            }
        }
    }

    /// The whole `ORDER BY` of a level that has more than the request's own terms: what is distinct
    /// comes first, as Postgres wants it, and ties come last.
    pub(super) fn total_order(&mut self, node: &Node<'a>) {
        let distinct = match node.additions.distinct {
            Some(Distinct::On(columns)) => columns.as_slice(),
            Some(Distinct::Rows) | None => &[],
        };
        let is_distinct =
            |term: &&&OrderTerm<'_>| plain_column(term).is_some_and(|name| distinct.contains(name));
        let mut word = " ORDER BY ";
        for term in node.order.iter().filter(is_distinct) {
            self.push(word).order_term(node, term);
            word = ", ";
        }
        let unordered =
            |column: &&Cow<'_, str>| !node.order.iter().any(|term| plain_column(term) == Some(*column));
        for column in distinct.iter().filter(unordered) {
            self.push(word).column(node.qualifier(), column);
            word = ", ";
        }
        for term in node.order.iter().filter(|term| !is_distinct(term)) {
            self.push(word).order_term(node, term);
            word = ", ";
        }
        for column in node.additions.keyset.iter().flat_map(|keyset| &keyset.ties) {
            self.push(word).column(node.qualifier(), column);
            word = ", ";
        }
    }

    pub(super) fn having(&mut self, node: &Node<'a>) {
        let mut word = " HAVING ";
        for having in &node.additions.having {
            self.push(word);
            self.group_condition(node, having);
            word = " AND ";
        }
    }

    /// An aggregate of a field, or of whole rows.
    pub(super) fn aggregated(
        &mut self,
        node: &Node<'a>,
        aggregate: Aggregate<'a>,
        field: Option<&Field<'a>>,
    ) -> &mut Self {
        self.push(aggregate.function).push(if aggregate.distinct { "(DISTINCT " } else { "(" });
        match field {
            Some(field) => self.field(Scope::of(node, false), field).push(")"),
            None => self.push("*)"),
        }
    }

    fn group_condition(&mut self, node: &Node<'a>, having: &'a Having<'a>) {
        if having.negated {
            self.push("NOT ");
        }
        self.aggregated(node, having.aggregate, having.field.as_ref());
        match &having.test {
            Test::Compare { operator, quantifier, value } => {
                self.push(" ").push(operator.sql).push(" ");
                match quantifier {
                    Some(Quantifier::Any) => self.push("ANY(").text(value.clone()).push(")"),
                    Some(Quantifier::All) => self.push("ALL(").text(value.clone()).push(")"),
                    None => self.text(value.clone()),
                }
            }
            Test::Is(keyword) => self.push(" IS ").push(keyword),
            Test::IsDistinctFrom(value) => self.push(" IS DISTINCT FROM ").text(value.clone()),
            Test::In(values) => {
                let values = values.iter().map(AsRef::as_ref);
                self.push(" = ANY(").text(array_literal(values)).push(")")
            }
            // The parser takes none.
            Test::FullText { .. } => self.push(" IS NOT NULL"),
        };
    }
}

/// The column that a term orders by, where it is one of the level's own.
fn plain_column<'t, 'q>(term: &'t OrderTerm<'q>) -> Option<&'t Cow<'q, str>> {
    let plain = term.embed.is_none() && term.aggregate.is_none() && term.field.path.is_empty();
    plain.then_some(&term.field.name)
}

/// Whether a level's rows are not one for one those of its relation.
pub(super) fn merges_rows(node: &Node<'_>) -> bool {
    node.additions.distinct.is_some() || !node.additions.having.is_empty()
}
