//! Fields, filters, logic and orders.

use std::borrow::Cow;

use crate::catalog::{Relation, TypeClass};
use crate::plan::{Join, Node, Qualifier};
use crate::request::{Field, Filter, Logic, Operand, OrderTerm, Quantifier, Test};

use super::{Sql, array_literal};

/// Where the columns of a condition are found.
#[derive(Clone, Copy)]
pub(super) struct Scope<'n, 'a> {
    pub(super) qualifier: Qualifier<'n>,
    pub(super) structure: Option<&'a Relation>,
    /// The tree level, whose embeds a null filter may name.
    pub(super) node: Option<&'n Node<'a>>,
    /// In a count query embeds are not joined, so a filter on one is a subquery.
    pub(super) counting: bool,
}

impl<'n, 'a> Scope<'n, 'a> {
    pub(super) fn of(node: &'n Node<'a>, counting: bool) -> Self {
        Self { qualifier: node.qualifier(), structure: node.structure, node: Some(node), counting }
    }

    fn knows(&self, column: &str) -> bool {
        self.structure.is_some_and(|relation| relation.column(column).is_some())
    }

    fn class(&self, column: &str) -> TypeClass {
        self.structure
            .and_then(|relation| relation.column(column))
            .map_or(TypeClass::Other, |column| column.class)
    }

    /// The function that reads values for `field`, where its type has one.
    fn reader(&self, field: &Field<'_>) -> Option<&'a str> {
        self.structure?.column(&field.name).filter(|_| field.path.is_empty())?.text_reader()
    }
}

impl<'a> Sql<'a> {
    /// A column with its JSON path.
    pub(super) fn field(&mut self, scope: Scope<'_, 'a>, field: &Field<'a>) -> &mut Self {
        if field.path.is_empty() {
            return self.column(scope.qualifier, &field.name);
        }
        if scope.class(&field.name) == TypeClass::Json {
            self.column(scope.qualifier, &field.name);
        } else {
            self.push("to_jsonb(").column(scope.qualifier, &field.name).push(")");
        }
        for step in &field.path {
            self.push(if step.as_text { "->>" } else { "->" });
            match &step.operand {
                Operand::Key(key) => self.text(key.clone()),
                Operand::Index(index) => self.text(*index).push("::int"),
            };
        }
        self
    }

    /// All conditions, after `WHERE`.
    pub(super) fn conditions(
        &mut self,
        scope: Scope<'_, 'a>,
        conditions: &[Cow<'a, Logic<'a>>],
    ) -> &mut Self {
        self.joined(" AND ", conditions, |sql, condition| {
            sql.logic(scope, condition);
        })
    }

    fn logic(&mut self, scope: Scope<'_, 'a>, logic: &Logic<'a>) {
        match logic {
            Logic::Filter(filter) => self.filter(scope, filter),
            Logic::Group { negated, any, terms } => {
                self.push(if *negated { "NOT (" } else { "(" });
                let separator = if *any { " OR " } else { " AND " };
                self.joined(separator, terms, |sql, term| sql.logic(scope, term)).push(")");
            }
        }
    }

    fn filter(&mut self, scope: Scope<'_, 'a>, filter: &Filter<'a>) {
        if self.embed_filter(scope, filter) {
            return;
        }
        if filter.negated {
            self.push("NOT ");
        }
        let class = scope.class(&filter.field.name);
        match &filter.test {
            Test::Compare { operator, quantifier, value } => {
                self.field(scope, &filter.field).push(" ").push(operator.sql).push(" ");
                let value = if operator.starred && value.contains('*') {
                    Cow::Owned(value.replace('*', "%"))
                } else {
                    value.clone()
                };
                let reader = scope.reader(&filter.field).filter(|_| !operator.starred);
                match quantifier {
                    Some(Quantifier::Any) => self.push("ANY(").read_each(reader, value).push(")"),
                    Some(Quantifier::All) => self.push("ALL(").read_each(reader, value).push(")"),
                    None => match reader {
                        Some(reader) => self.push(reader).push("(").text(value).push("::text)"),
                        None => self.text(value),
                    },
                };
            }
            Test::Is(keyword) => {
                self.field(scope, &filter.field).push(" IS ").push(keyword);
            }
            Test::IsDistinctFrom(value) => {
                self.field(scope, &filter.field).push(" IS DISTINCT FROM ").text(value.clone());
            }
            Test::In(values) => {
                let empty = matches!(values.as_slice(), [only] if only.is_empty());
                let values = values.iter().map(AsRef::as_ref).filter(|_| !empty);
                let values = array_literal(values);
                let reader = scope.reader(&filter.field);
                self.field(scope, &filter.field).push(" = ANY(").read_each(reader, values).push(")");
            }
            Test::FullText { function, language, value } => {
                // A computed field is taken as it is: Postgres searches texts as well.
                let direct = class == TypeClass::TextSearch && filter.field.path.is_empty();
                if direct || !scope.knows(&filter.field.name) {
                    self.field(scope, &filter.field);
                } else {
                    self.push("to_tsvector(").language(*language).field(scope, &filter.field).push(")");
                }
                self.push(" @@ ").push(function).push("(").language(*language).text(value.clone()).push(")");
            }
        }
    }

    /// An array's text; the rows of its elements when each must be read.
    fn read_each(&mut self, reader: Option<&str>, array: impl Into<Cow<'a, str>>) -> &mut Self {
        match reader {
            Some(reader) => self.push("SELECT ").push(reader).push("(unnest(").text(array).push("::text[]))"),
            None => self.text(array),
        }
    }

    fn language(&mut self, language: Option<&'a str>) -> &mut Self {
        match language {
            Some(language) => self.text(language).push(", "),
            None => self,
        }
    }

    /// `embed=is.null` and `embed=not.is.null` ask for parents without and with embedded rows.
    fn embed_filter(&mut self, scope: Scope<'_, 'a>, filter: &Filter<'a>) -> bool {
        let child = match (&filter.test, filter.field.path.is_empty()) {
            (Test::Is("NULL"), true) => scope.node.and_then(|node| node.child(&filter.field.name)),
            _ => None,
        };
        let Some((child, join)) = child.and_then(|child| child.join.as_ref().map(|join| (child, join)))
        else {
            return false;
        };
        if scope.counting {
            self.push(if filter.negated { "EXISTS (" } else { "NOT EXISTS (" });
            self.count_rows_of(child, Some((scope.qualifier, scope.node))).push(")");
        } else {
            self.identifier(&join.result);
            self.push(if filter.negated { " IS DISTINCT FROM NULL" } else { " IS NOT DISTINCT FROM NULL" });
        }
        true
    }

    pub(super) fn order(&mut self, node: &Node<'a>) {
        if node.additions.distinct.is_some() || node.additions.keyset.is_some() {
            return self.total_order(node);
        }
        if node.order.is_empty() {
            return;
        }
        self.push(" ORDER BY ");
        self.joined(", ", &node.order, |sql, term| sql.order_term(node, term));
    }

    pub(super) fn order_term(&mut self, node: &Node<'a>, term: &OrderTerm<'a>) {
        self.ordered_field(node, term);
        for word in [term.direction, term.nulls].into_iter().flatten() {
            self.push(" ").push(word);
        }
    }

    /// What a term orders by.
    pub(super) fn ordered_field(&mut self, node: &Node<'a>, term: &OrderTerm<'a>) -> &mut Self {
        if let Some(aggregate) = term.aggregate {
            let field = Some(&term.field).filter(|field| field.name != "*");
            return self.aggregated(node, aggregate, field);
        }
        match node.ordering_embed(term) {
            Some(join) => self.embedded_field(join, &term.field),
            None => self.field(Scope::of(node, false), &term.field),
        }
    }

    /// A column of the object that an embed of one row makes.
    pub(super) fn embedded_field(&mut self, join: &Join<'a>, field: &Field<'a>) -> &mut Self {
        let qualifier = Qualifier::Alias(&join.result);
        self.field(Scope { qualifier, structure: None, node: None, counting: false }, field)
    }
}
