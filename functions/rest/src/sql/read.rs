//! The tree as one `SELECT` with lateral joins, and as a query that only counts.

use crate::catalog::Link;
use crate::plan::{Join, Node, Qualifier, Source, Spread};
use crate::request::{RowRange, SelectedField};

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
        self.push(" FROM ").from(node, parent);
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

    /// One row per row of `node`, without its range: for counting.
    pub(super) fn count_rows_of(&mut self, node: &Node<'a>, parent: Option<Parent<'_, 'a>>) -> &mut Self {
        if merges_rows(node) {
            self.push("SELECT 1 FROM (").rows_as(node, parent, RowRange::ALL, |sql| sql.selection(node));
            return self.push(") _m");
        }
        self.push("SELECT 1 FROM ").from(node, parent);
        self.where_clause(node, parent, true)
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
        for field in &node.fields {
            match node.structure.filter(|_| expands_star(node, field)) {
                Some(structure) => {
                    for column in &structure.columns {
                        separate(self);
                        self.column(node.qualifier(), &column.name);
                    }
                }
                None => {
                    separate(self);
                    self.selected(node, field);
                }
            }
        }
        for (child, join) in node.children.iter().filter_map(|child| Some((child, child.join.as_ref()?))) {
            if join.spread != Spread::No {
                for name in shown_names(child) {
                    separate(self);
                    self.column(Qualifier::Alias(&join.result), &name);
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

    fn selected(&mut self, node: &Node<'a>, field: &'a SelectedField<'a>) {
        let alias = field.alias.clone().or_else(|| field.field.last_key());
        let spread = node.join.as_ref().is_some_and(|join| join.spread != Spread::No);
        let alias =
            alias.or_else(|| field.aggregate.filter(|_| spread).map(|aggregate| aggregate.function.into()));
        if let Some(aggregate) = field.aggregate {
            if aggregate.cast.is_some() {
                self.push("CAST(");
            }
            self.push(aggregate.function).push(if aggregate.distinct { "(DISTINCT " } else { "(" });
            if &*field.field.name == "*" {
                self.push("*")
            } else {
                self.cast_field(node, field)
            };
            self.push(")");
            if let Some(cast) = aggregate.cast {
                self.push(" AS ").push(cast).push(")");
            }
        } else {
            self.cast_field(node, field);
        }
        if let Some(alias) = alias {
            self.push(" AS ").identifier(&alias);
        }
    }

    fn cast_field(&mut self, node: &Node<'a>, field: &'a SelectedField<'a>) -> &mut Self {
        match field.cast {
            Some(cast) => self
                .push("CAST(")
                .field(Scope::of(node, false), &field.field)
                .push(" AS ")
                .push(cast)
                .push(")"),
            None => self.field(Scope::of(node, false), &field.field),
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
                for name in shown_names(child) {
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
        if !node.has_aggregates() {
            return;
        }
        let mut word = " GROUP BY ";
        for field in node.fields.iter().filter(|field| field.aggregate.is_none()) {
            match node.structure.filter(|_| expands_star(node, field)) {
                Some(structure) => {
                    for column in &structure.columns {
                        self.push(word).column(node.qualifier(), &column.name);
                        word = ", ";
                    }
                }
                None => {
                    self.push(word);
                    match field.alias.clone().or_else(|| field.field.last_key()) {
                        Some(alias) => self.identifier(&alias),
                        None => self.field(Scope::of(node, false), &field.field),
                    };
                    word = ", ";
                }
            }
        }
        for join in
            node.children.iter().filter_map(|child| child.join.as_ref()).filter(|join| !join.is_silent())
        {
            if join.spread == Spread::No {
                self.push(word).identifier(join.name());
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

/// Whether `*` must be written out: where it is grouped by, or gathered column by column.
fn expands_star(node: &Node<'_>, field: &SelectedField<'_>) -> bool {
    let gathered = node.join.as_ref().is_some_and(|join| join.spread == Spread::ToMany);
    field.field.name == "*" && field.aggregate.is_none() && (node.has_aggregates() || gathered)
}

/// The columns that a spread level gives its parent.
fn shown_names<'a>(node: &Node<'a>) -> Vec<String> {
    let mut names = Vec::new();
    if node.fields.is_empty() && node.children.is_empty() {
        return names;
    }
    for field in &node.fields {
        match node.structure.filter(|_| expands_star(node, field)) {
            Some(structure) => names.extend(structure.columns.iter().map(|column| column.name.to_string())),
            None => {
                let name = field.alias.clone().or_else(|| field.field.last_key());
                names.push(name.unwrap_or_else(|| field.field.name.clone()).into_owned());
            }
        }
    }
    for (child, join) in node.children.iter().filter_map(|child| Some((child, child.join.as_ref()?))) {
        if join.spread != Spread::No {
            names.extend(shown_names(child));
        } else if !join.is_silent() {
            names.push(join.name().to_owned());
        }
    }
    names
}
