//! The tree as one `SELECT` with lateral joins, and as a query that only counts.

use crate::catalog::{Column, Link};
use crate::plan::{Join, Node, Qualifier, Shown, Source, Spread};
use crate::request::{Aggregate, RowRange, SelectedField};

use super::Sql;
use super::additions::merges_rows;
use super::condition::Scope;

/// The parent of an embed: how SQL calls it, and the level itself.
type Parent<'n, 'a> = (Qualifier<'n>, Option<&'n Node<'a>>);

/// What rows of a write or a call are called.
pub(super) const RESULT: &str = "pgrst_source";

impl<'a> Sql<'a> {
    /// The rows of `node` with everything embedded in it.
    pub(super) fn rows_of(&mut self, node: &Node<'a>, parent: Option<Parent<'_, 'a>>) -> &mut Self {
        self.rows_as(node, parent, node.range, |sql| sql.selection(node))
    }

    /// The rows of `node` within `range`, shown as `selection` writes them.
    pub(super) fn rows_as(
        &mut self,
        node: &Node<'a>,
        parent: Option<Parent<'_, 'a>>,
        range: RowRange,
        selection: impl FnOnce(&mut Self),
    ) -> &mut Self {
        self.push("SELECT ");
        self.distinct(node);
        selection(self);
        self.push(" FROM ").page_from(node, parent);
        for child in &node.children {
            if let Some(join) = &child.join {
                self.joined_child(node, child, join);
            }
        }
        self.where_clause(node, parent, false);
        self.group(node);
        self.having(node);
        self.order(node);
        self.range(range)
    }

    /// One row per row of `node`, for counting: without the root's range, and of embeds' only what may
    /// leave nothing.
    pub(super) fn count_rows_of(&mut self, node: &Node<'a>, parent: Option<Parent<'_, 'a>>) -> &mut Self {
        if merges_rows(node) || node.is_grouped() {
            // Groups are only known when they are made.
            let range = if parent.is_some() { node.range } else { RowRange::ALL };
            self.push("SELECT 1 FROM (").rows_as(node, parent, range, |sql| sql.selection(node));
            return self.push(") _m");
        }
        self.push("SELECT 1 FROM ").from(node, parent);
        self.where_clause(node, parent, true);
        let may_be_empty = node.range.lower != 0 || node.range.limit() == Some(0);
        if parent.is_some() && may_be_empty { self.range(node.range) } else { self }
    }

    fn selection(&mut self, node: &Node<'a>) {
        let mut any = false;
        let mut separate = |sql: &mut Self| {
            if any {
                sql.push(", ");
            }
            any = true;
        };
        if node.fields.is_empty() && node.children.is_empty() {
            self.column(node.qualifier(), "*");
            return;
        }
        for (index, field) in node.fields.iter().enumerate() {
            match node.expanded(field) {
                Some(columns) => {
                    for column in columns {
                        separate(self);
                        self.shown_column(node, column);
                    }
                }
                None => {
                    separate(self);
                    self.selected(node, index, field);
                }
            }
        }
        for (child, join) in node.children.iter().filter_map(|child| Some((child, child.join.as_ref()?))) {
            if join.spread != Spread::No {
                for column in child.shown() {
                    separate(self);
                    self.spread(node, join, &column);
                }
            } else if !join.is_silent() {
                separate(self);
                if join.relationship.is_to_one() {
                    self.push("row_to_json(").identifier(&join.result).push(".*)::jsonb AS ");
                } else {
                    self.push("COALESCE(")
                        .column(Qualifier::Alias(&join.result), &join.result)
                        .push(", '[]') AS ");
                }
                self.identifier(join.name());
            }
        }
    }

    /// A column of a spread embed as one of the parent's.
    fn spread(&mut self, parent: &Node<'a>, join: &Join<'a>, column: &Shown<'a>) {
        match column.pending.as_ref().filter(|_| !parent.hands_up()) {
            Some((aggregate, name)) => {
                self.aggregate(*aggregate, |sql| {
                    sql.column(Qualifier::Alias(&join.result), &column.name);
                });
                self.push(" AS ").identifier(name)
            }
            None => self.column(Qualifier::Alias(&join.result), &column.name),
        };
    }

    fn selected(&mut self, node: &Node<'a>, index: usize, field: &'a SelectedField<'a>) {
        let alias = match field.aggregate {
            Some(_) if node.hands_up() => {
                // Counting rows means counting a value that every row has.
                if field.field.name == "*" {
                    self.push("1")
                } else {
                    self.cast_field(node, field)
                };
                self.push(" AS ").identifier(&node.handed_name(index));
                return;
            }
            Some(aggregate) => {
                self.aggregate(aggregate, |sql| {
                    if field.field.name == "*" {
                        sql.push("*")
                    } else {
                        sql.cast_field(node, field)
                    };
                });
                field.alias.clone()
            }
            None => {
                self.cast_field(node, field);
                let alias = field.alias.clone().or_else(|| field.field.last_key());
                alias.or_else(|| representation(node, field).map(|_| field.field.name.clone()))
            }
        };
        if let Some(alias) = alias {
            self.push(" AS ").identifier(&alias);
        }
    }

    fn aggregate(&mut self, aggregate: Aggregate<'a>, value: impl FnOnce(&mut Self)) {
        if aggregate.cast.is_some() {
            self.push("CAST(");
        }
        self.push(aggregate.function).push(if aggregate.distinct { "(DISTINCT " } else { "(" });
        value(self);
        self.push(")");
        if let Some(cast) = aggregate.cast {
            self.push(" AS ").push(cast).push(")");
        }
    }

    fn cast_field(&mut self, node: &Node<'a>, field: &'a SelectedField<'a>) -> &mut Self {
        match field.cast {
            Some(cast) => self.push("CAST(").represented(node, field).push(" AS ").push(cast).push(")"),
            None => self.represented(node, field),
        }
    }

    /// The field as clients see it.
    fn represented(&mut self, node: &Node<'a>, field: &'a SelectedField<'a>) -> &mut Self {
        match representation(node, field) {
            Some(writer) => self.push(writer).push("(").field(Scope::of(node, false), &field.field).push(")"),
            None => self.field(Scope::of(node, false), &field.field),
        }
    }

    /// A column of a star that is written out.
    fn shown_column(&mut self, node: &Node<'a>, column: &Column) {
        match column.writer() {
            Some(writer) => self
                .push(writer)
                .push("(")
                .column(node.qualifier(), &column.name)
                .push(") AS ")
                .identifier(&column.name),
            None => self.column(node.qualifier(), &column.name),
        };
    }

    /// As [`Self::from`]; of a page that begins after a cursor, its parts.
    fn page_from(&mut self, node: &Node<'a>, parent: Option<Parent<'_, 'a>>) {
        if !self.parts(node) {
            self.from(node, parent);
        }
    }

    fn from(&mut self, node: &Node<'a>, parent: Option<Parent<'_, 'a>>) -> &mut Self {
        let link = node.join.as_ref().map(|join| &join.relationship.link);
        match (node.source, link, parent) {
            (Source::Result, _, _) => self.push(RESULT),
            (_, Some(Link::Computed { schema, function, .. }), Some((qualifier, Some(parent)))) => {
                let row = match qualifier {
                    Qualifier::Alias(alias) => alias,
                    Qualifier::Relation { name, .. } => name,
                };
                self.qualified(schema, function).push("(").identifier(row).push("::");
                self.qualified(parent.schema, parent.relation).push(")")
            }
            _ => self.qualified(node.schema, node.relation),
        };
        if let Some(alias) = &node.alias {
            self.push(" AS ").identifier(alias);
        }
        if let (Some(Link::Junction(junction)), Some(join)) = (link, &node.join) {
            self.push(", ")
                .qualified(&junction.schema, &junction.relation)
                .push(" AS ")
                .identifier(&join.junction);
        }
        self
    }

    fn joined_child(&mut self, parent: &Node<'a>, child: &Node<'a>, join: &Join<'a>) {
        self.push(if join.embed.inner { " INNER" } else { " LEFT" }).push(" JOIN LATERAL (");
        let up = Some((parent.qualifier(), Some(parent)));
        let alias = Qualifier::Alias(&join.result);
        let gathered = !join.relationship.is_to_one();
        if gathered {
            self.push("SELECT json_agg(")
                .identifier(&join.result)
                .push(")::jsonb AS ")
                .identifier(&join.result);
            if join.spread == Spread::ToMany {
                for Shown { name, .. } in child.shown() {
                    self.push(", COALESCE(json_agg(")
                        .column(alias, &name)
                        .push("), '[]')::jsonb AS ")
                        .identifier(&name);
                }
            }
            self.push(" FROM (");
        }
        self.rows_of(child, up);
        if gathered {
            self.push(") AS ").identifier(&join.result);
        }
        self.push(") AS ").identifier(&join.result).push(" ON ");
        if gathered && join.embed.inner {
            self.column(alias, &join.result).push(" IS NOT NULL");
        } else {
            self.push("TRUE");
        }
    }

    fn where_clause(&mut self, node: &Node<'a>, parent: Option<Parent<'_, 'a>>, counting: bool) -> &mut Self {
        let mut word = " WHERE ";
        if !node.conditions.is_empty() {
            self.push(word).conditions(Scope::of(node, counting), &node.conditions);
            word = " AND ";
        }
        if let (Some(join), Some((parent, _))) = (&node.join, parent) {
            let near_and_far = match &join.relationship.link {
                Link::Key { columns, .. } => (columns.as_slice(), &[][..]),
                Link::Junction(junction) => (junction.near.as_slice(), junction.far.as_slice()),
                Link::Computed { .. } => (&[][..], &[][..]),
            };
            let far_side =
                if join.junction.is_empty() { node.qualifier() } else { Qualifier::Alias(&join.junction) };
            for (near, far) in near_and_far.0 {
                self.push(word).column(far_side, far).push(" = ").column(parent, near);
                word = " AND ";
            }
            for (far, junction) in near_and_far.1 {
                self.push(word).column(node.qualifier(), far).push(" = ").column(far_side, junction);
                word = " AND ";
            }
        }
        if let Some(keyset) = node.additions.keyset.as_ref().filter(|_| !counting)
            && let Some(values) = &keyset.after
        {
            self.push(word).after(node, keyset, values);
            word = " AND ";
        }
        if counting {
            let inner = |child: &&Node<'a>| child.join.as_ref().is_some_and(|join| join.embed.inner);
            for child in node.children.iter().filter(inner) {
                self.push(word).push("EXISTS (");
                self.count_rows_of(child, Some((node.qualifier(), Some(node)))).push(")");
                word = " AND ";
            }
        }
        self
    }

    /// With aggregates, everything else of the level is what they are grouped by.
    fn group(&mut self, node: &Node<'a>) {
        if !node.is_grouped() {
            return;
        }
        let mut word = " GROUP BY ";
        for field in node.fields.iter().filter(|field| field.aggregate.is_none()) {
            match node.expanded(field) {
                Some(columns) => {
                    for column in columns {
                        self.push(word).column(node.qualifier(), &column.name);
                        word = ", ";
                    }
                }
                None => {
                    self.push(word);
                    match field.alias.clone().or_else(|| field.field.last_key()) {
                        Some(alias) if representation(node, field).is_none() => self.identifier(&alias),
                        _ => self.field(Scope::of(node, false), &field.field),
                    };
                    word = ", ";
                }
            }
        }
        for (child, join) in node.children.iter().filter_map(|child| Some((child, child.join.as_ref()?))) {
            if join.spread != Spread::No {
                for column in child.shown().iter().filter(|column| column.pending.is_none()) {
                    self.push(word).column(Qualifier::Alias(&join.result), &column.name);
                    word = ", ";
                }
            } else if !join.is_silent() {
                self.push(word).identifier(join.name());
                word = ", ";
            }
        }
        // Part of an embedded object that is grouped by already, so no group is split.
        for term in &node.order {
            if let Some(join) = node.ordering_embed(term) {
                self.push(word).embedded_field(join, &term.field);
                word = ", ";
            }
        }
    }

    fn range(&mut self, range: RowRange) -> &mut Self {
        if let Some(rows) = range.limit() {
            self.push(" LIMIT ").text(rows.to_string());
        }
        if range.lower != 0 {
            self.push(" OFFSET ").text(range.lower.to_string());
        }
        self
    }
}

/// The function that shows `field`, where its type has one.
fn representation<'a>(node: &Node<'a>, field: &SelectedField<'_>) -> Option<&'a str> {
    node.structure?.column(&field.field.name).filter(|_| field.field.path.is_empty())?.writer()
}
