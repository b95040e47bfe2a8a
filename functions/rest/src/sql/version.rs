//! Versions of rows: what an `ETag` is made of, and writes that insist on one.
//!
//! A version is a hash over hashes of whole rows, so that a write can find out by itself whether the
//! rows that it is about to change are those its client has read. It compares twice: the rows that it
//! sees when it begins, all together, with the client's tag; and each row that it changes with those.
//! Postgres makes the second comparison again on a row that another transaction has just changed, so
//! nothing slips in between.

use std::ops::RangeInclusive;

use crate::plan::{Mutation, Node, Qualifier, Write};
use crate::problem::SqlFault;
use crate::request::{Conditions, RowRange, Tags};

use super::condition::Scope;
use super::guard::INVALID_TEXT;
use super::read::RESULT;
use super::{Sql, array_literal};

/// The hashes of the rows that a write will change, as they are before it.
const BEFORE: &str = "pgrst_before";

/// What a write fails with ([`super::guard`]) where its rows are of another version.
const MARK: &str = "isobase knows another version of rows: ";

/// One hash for all rows of what follows it.
const OF_ALL: &str = "SELECT md5(coalesce(string_agg(_v.hash, ',' ORDER BY _v.hash), '')) FROM ";

impl<'a> Sql<'a> {
    fn row_hash(&mut self, qualifier: Qualifier<'_>) -> &mut Self {
        self.push("md5((").column(qualifier, "*").push(")::text)")
    }

    /// The version of a page's own rows.
    fn page_version(&mut self, node: &Node<'a>, range: RowRange) -> &mut Self {
        self.push("(").push(OF_ALL).push("(").rows_as(node, None, range, |sql| {
            sql.row_hash(node.qualifier()).push(" AS hash");
        });
        self.push(") _v)")
    }

    /// A read's columns with its version among them, up to the parenthesis that the read itself fills:
    /// its body is hashed from outside.
    pub(super) fn versioned_read(&mut self, node: &Node<'a>) {
        self.push("SELECT _e.total, _e.page, _e.response_headers, _e.response_status, json_build_object(");
        if let Some(keyset) = &node.additions.keyset {
            self.push("'next', ").last_place(node, keyset).push(", ");
        }
        // Groups and distinct rows are no rows that a write could find again.
        if !node.is_grouped() && node.additions.distinct.is_none() {
            self.push("'rows', ").page_version(node, node.range).push(", ");
        }
        self.push("'body', md5(_e.body::text))::text AS beyond, _e.body FROM (");
    }

    /// The column of a write that tells of versions, where it has to.
    pub(super) fn written_beyond(&mut self, write: &Write<'a>) {
        if write.versioned {
            self.push("json_build_object('rows', ").written_version().push(")::text AS beyond, ");
        }
    }

    /// The version of the rows that a write has left behind.
    fn written_version(&mut self) -> &mut Self {
        self.push("(").push(OF_ALL).push("(SELECT ").row_hash(Qualifier::Alias("_r")).push(" AS hash FROM ");
        self.push(RESULT).push(" _r) _v)")
    }

    /// A CTE with the hashes of the rows before the write, and a comma.
    pub(super) fn before(&mut self, write: &Write<'a>) -> &mut Self {
        let conditions = match &write.mutation {
            Mutation::Insert { key, .. } => key,
            Mutation::Update { conditions, .. } | Mutation::Delete { conditions } => conditions,
        };
        let qualifier = Qualifier::Alias("pgrst_row");
        self.push(BEFORE).push(" AS MATERIALIZED (SELECT ").row_hash(qualifier).push(" AS hash FROM ");
        self.qualified(write.schema, write.relation).push(" AS pgrst_row");
        if !conditions.is_empty() {
            let scope = Scope { qualifier, structure: Some(write.structure), node: None, counting: false };
            self.push(" WHERE ").conditions(scope, conditions);
        }
        self.push("), ")
    }

    /// That a row is still one of those.
    pub(super) fn is_unchanged(&mut self, write: &Write<'a>) -> &mut Self {
        self.row_hash(Qualifier::Relation { schema: write.schema, name: write.relation });
        self.push(" = ANY(ARRAY(SELECT hash FROM ").push(BEFORE).push("))")
    }

    /// The number of a write's rows, as [`Self::counted_rows`], or an error where they are not of the
    /// version that the request wants.
    pub(super) fn counted_versions(
        &mut self,
        write: &Write<'a>,
        conditions: &Conditions<'_>,
        insisted: Option<&RangeInclusive<i64>>,
    ) -> &mut Self {
        if !write.guarded {
            return self.counted_rows(insisted);
        }
        self.push("CASE WHEN ").is_known(conditions);
        // Rows that others have changed or inserted in the meantime are left alone, so they are missing.
        match &write.mutation {
            Mutation::Insert { .. } => self.push(" AND count(*) = 1"),
            Mutation::Update { columns, .. } if columns.columns.is_empty() => self,
            Mutation::Update { .. } | Mutation::Delete { .. } => {
                self.push(" AND count(*) = (SELECT count(*) FROM ").push(BEFORE).push(")")
            }
        };
        self.push(" THEN ").counted_rows(insisted).push(" ELSE (('").push(MARK);
        self.push("' || count(*))::pg_catalog.pg_lsn - '0/0'::pg_catalog.pg_lsn)::bigint END")
    }

    /// That the rows before the write are those that the request names.
    fn is_known(&mut self, conditions: &Conditions<'_>) -> &mut Self {
        let (tags, wanted) = match (&conditions.matches, &conditions.matches_none) {
            (Some(tags), _) => (tags, true),
            (None, Some(tags)) => (tags, false),
            (None, None) => return self.push("true"),
        };
        self.push(if wanted { "EXISTS (SELECT FROM " } else { "(NOT EXISTS (SELECT FROM " });
        self.push(BEFORE).push(")");
        if let Tags::These(_) = tags {
            self.push(if wanted { " AND (" } else { " OR NOT (" }).push(OF_ALL).push(BEFORE);
            self.push(" _v) = ANY(").text(array_literal(tags.rows())).push("::text[])");
        }
        if wanted { self } else { self.push(")") }
    }
}

/// Whether a write failed because its rows are of another version.
pub(crate) fn is_other_version(fault: &SqlFault) -> bool {
    fault.sqlstate == INVALID_TEXT && fault.message.contains("pg_lsn") && fault.message.contains(MARK)
}
