//! `INSERT`, `UPDATE` and `DELETE`.

use std::borrow::Cow;

use crate::plan::{ColumnSource, Mutation, Qualifier, Target, Write};
use crate::request::Logic;

use super::Sql;
use super::condition::Scope;
use super::read::RESULT;

/// True, once for each row that a merge updates. The row's conflict was looked up already; looking for it
/// again, as a join with the relation, costs more, and a plan that was made while the relation was small
/// would read all of it each time.
const COUNT_UPDATED: &str = "set_config('pgrst.updated', (coalesce(nullif(current_setting('pgrst.updated', true), ''), '0')::bigint + 1)::text, true) IS NOT NULL";
/// What was counted, and nothing counted: operands are evaluated in their order.
const TAKE_UPDATED: &str = "(coalesce(nullif(current_setting('pgrst.updated', true), ''), '0') || set_config('pgrst.updated', '', true))::bigint";

impl<'a> Sql<'a> {
    pub(super) fn write(&mut self, write: &Write<'a>) -> &mut Self {
        match &write.mutation {
            Mutation::Insert { columns, conflict, key } => {
                self.insert(write, columns, conflict.as_ref(), key)
            }
            Mutation::Update { columns, .. } if columns.columns.is_empty() => {
                return self.update_nothing(write);
            }
            Mutation::Update { columns, conditions } => self.update(write, columns, conditions),
            Mutation::Delete { conditions } => {
                self.push("DELETE FROM ").qualified(write.schema, write.relation);
                self.filtered(write, conditions);
            }
        }
        self.push(" RETURNING ");
        self.returning(write, "1")
    }

    fn insert(
        &mut self,
        write: &Write<'a>,
        source: &ColumnSource<'a>,
        conflict: Option<&Target<'a>>,
        key: &[Cow<'a, Logic<'a>>],
    ) {
        let columns = &source.columns;
        self.push("INSERT INTO ").qualified(write.schema, write.relation).push(" ");
        if !columns.is_empty() {
            self.push("(");
            self.joined(", ", columns, |sql, column| {
                sql.identifier(&column.name);
            });
            self.push(") ");
        }
        let body = Qualifier::Alias("pgrst_body");
        self.push("SELECT ");
        self.joined(", ", columns, |sql, column| {
            sql.column(body, &column.name);
        });
        self.push(" ").body_rows(source);
        if !key.is_empty() {
            let scope =
                Scope { qualifier: body, structure: Some(write.structure), node: None, counting: false };
            self.push(" WHERE ").conditions(scope, key);
        }
        let Some(target) = conflict.filter(|target| !target.columns.is_empty()) else { return };
        self.push(" ON CONFLICT(");
        self.joined(", ", &target.columns, |sql, column| {
            sql.identifier(column);
        });
        if !target.merge || columns.is_empty() {
            self.push(") DO NOTHING");
            return;
        }
        self.push(") DO UPDATE SET ");
        self.joined(", ", columns, |sql, column| {
            sql.identifier(&column.name).push(" = EXCLUDED.").identifier(&column.name);
        });
        self.push(" WHERE ");
        if write.guarded {
            self.is_unchanged(write).push(" AND ");
        }
        self.push(COUNT_UPDATED);
    }

    fn update(&mut self, write: &Write<'a>, source: &ColumnSource<'a>, conditions: &[Cow<'a, Logic<'a>>]) {
        self.push("UPDATE ").qualified(write.schema, write.relation).push(" SET ");
        self.joined(", ", &source.columns, |sql, column| {
            sql.identifier(&column.name).push(" = ").column(Qualifier::Alias("pgrst_body"), &column.name);
        });
        self.push(" ").body_rows(source);
        self.filtered(write, conditions);
    }

    /// An update of no columns changes nothing, but still has columns to show.
    fn update_nothing(&mut self, write: &Write<'a>) -> &mut Self {
        self.push("SELECT ");
        self.returning(write, "NULL");
        self.push(" FROM ").qualified(write.schema, write.relation).push(" WHERE false")
    }

    /// The rows that an update would change, as they are.
    pub(super) fn unchanged(&mut self, write: &Write<'a>, conditions: &[Cow<'a, Logic<'a>>]) {
        self.push("SELECT ");
        self.returning(write, "NULL");
        self.push(" FROM ").qualified(write.schema, write.relation);
        self.filtered(write, conditions);
    }

    fn filtered(&mut self, write: &Write<'a>, conditions: &[Cow<'a, Logic<'a>>]) {
        if !conditions.is_empty() {
            let qualifier = Qualifier::Relation { schema: write.schema, name: write.relation };
            let scope = Scope { qualifier, structure: Some(write.structure), node: None, counting: false };
            self.push(" WHERE ").conditions(scope, conditions);
        }
        if write.guarded {
            self.push(if conditions.is_empty() { " WHERE " } else { " AND " }).is_unchanged(write);
        }
    }

    /// How many of a merge's rows are new: those that were not updated. What counted these begins anew, for
    /// the transaction's next merge.
    pub(super) fn inserted_rows(&mut self) -> &mut Self {
        self.push("((SELECT count(*) FROM ").push(RESULT).push(") - ").push(TAKE_UPDATED).push(")")
    }

    fn returning(&mut self, write: &Write<'a>, otherwise: &str) -> &mut Self {
        if write.returning.is_empty() {
            return self.push(otherwise);
        }
        let qualifier = Qualifier::Relation { schema: write.schema, name: write.relation };
        self.joined(", ", &write.returning, |sql, column| {
            sql.column(qualifier, column);
        })
    }
}
