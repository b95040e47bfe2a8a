//! The statements of a nested write: a level's rows in, keys out; and the rows as they are in the end.

use std::collections::BTreeSet;

use crate::catalog::{Column, Relation};
use crate::plan::{BodyForm, Mutation, Node, Qualifier, Write};
use crate::request::{Conditions, Payload};

use super::body::bound;
use super::read::RESULT;
use super::statement::CHOSEN;
use super::{Sql, Statement};

/// What a row of a body is called by its place in it, from 1.
const PLACE: &str = "pgrst_place";

/// Writes and returns an array of the returned values per row: of an insert in the order of the rows, for
/// Postgres inserts what an array gives it from first to last, and returns it as it does.
///
/// An update of no columns finds its rows all the same.
pub(crate) fn write_for_keys<'a>(write: &Write<'a>, conditions: &Conditions<'_>) -> Statement<'a> {
    let mut sql = Sql::new();
    sql.push("WITH ");
    if write.guarded {
        sql.before(write);
    }
    sql.push(RESULT).push(" AS (");
    match &write.mutation {
        Mutation::Update { columns, conditions } if columns.columns.is_empty() => {
            sql.unchanged(write, conditions);
        }
        Mutation::Update { .. } | Mutation::Insert { .. } | Mutation::Delete { .. } => {
            sql.write(write);
        }
    }
    sql.push(") SELECT ").counted_versions(write, conditions, None).push(" AS page, ");
    if write.mutation.merges() {
        sql.inserted_rows().push(" AS inserted, ");
    } else {
        sql.push("null::bigint AS inserted, ");
    }
    sql.push(CHOSEN).keys(None, write.returning.iter().map(AsRef::as_ref));
    sql.into()
}

/// Rows that name their key.
pub(crate) struct Keyed<'k> {
    pub(crate) schema: &'k str,
    pub(crate) relation: &'k str,
    /// What the rows are found by.
    pub(crate) key: &'k [&'k str],
    /// All that the rows name, sorted by name.
    pub(crate) columns: Vec<&'k Column>,
    /// An array.
    pub(crate) payload: &'k Payload<'k>,
    /// What is returned of a row that is there, after its place.
    pub(crate) wanted: &'k BTreeSet<String>,
}

/// Updates the rows that are there in all that is not their key, and returns an array of the wanted
/// values per row. Rows that name nothing else are looked for.
pub(crate) fn write_by_keys<'a>(keyed: &Keyed<'a>) -> Statement<'a> {
    let (relation, body) =
        (Qualifier::Relation { schema: keyed.schema, name: keyed.relation }, Qualifier::Alias("pgrst_body"));
    let named = keyed.columns.iter().map(|column| &*column.name);
    let set = named.filter(|name| !keyed.key.contains(name)).collect::<Vec<_>>();
    let mut sql = Sql::new();
    let returned = |sql: &mut Sql<'a>| {
        sql.column(body, PLACE);
        for column in keyed.wanted {
            sql.push(", ").column(relation, column);
        }
    };
    sql.push("WITH ").push(RESULT).push(" AS (");
    if set.is_empty() {
        sql.push("SELECT ");
        returned(&mut sql);
        sql.push(" FROM ").qualified(keyed.schema, keyed.relation).push(", ");
    } else {
        sql.push("UPDATE ").qualified(keyed.schema, keyed.relation).push(" SET ");
        sql.joined(", ", &set, |sql, name| {
            sql.identifier(name).push(" = ").column(body, name);
        });
        sql.push(" FROM ");
    }
    sql.placed_rows(&keyed.columns, keyed.payload).push(" WHERE ");
    sql.joined(" AND ", keyed.key, |sql, name| {
        sql.column(relation, name).push(" = ").column(body, name);
    });
    if !set.is_empty() {
        sql.push(" RETURNING ");
        returned(&mut sql);
    }
    sql.push(") SELECT count(*) AS page, null::bigint AS inserted, ").push(CHOSEN);
    sql.keys(Some(PLACE), keyed.wanted.iter().map(String::as_str));
    sql.into()
}

impl<'a> Sql<'a> {
    /// The values of the result's rows.
    fn keys<'c>(&mut self, first: Option<&'c str>, columns: impl Iterator<Item = &'c str>) {
        self.push("coalesce(json_agg(json_build_array(");
        self.joined(", ", first.into_iter().chain(columns), |sql, column| {
            sql.column(Qualifier::Alias(RESULT), column);
        });
        self.push(")), '[]') AS keys FROM ").push(RESULT);
    }

    /// A body's rows as `pgrst_body`, with their places.
    fn placed_rows(&mut self, columns: &[&'a Column], payload: &'a Payload<'a>) -> &mut Self {
        self.push("(SELECT ");
        for column in columns {
            match column.json_reader() {
                Some(reader) => self.push(reader).push("(").identifier(&column.name).push(") AS "),
                None => self,
            };
            self.identifier(&column.name).push(", ");
        }
        self.push(PLACE).push(" FROM ROWS FROM (json_to_recordset(").bind(bound(payload));
        self.push("::json) AS (");
        self.joined(", ", columns, |sql, column| {
            let type_name = if column.json_reader().is_some() { "json" } else { &*column.type_name.0 };
            sql.identifier(&column.name).push(" ").push(type_name);
        });
        self.push(")) WITH ORDINALITY AS _(");
        for column in columns {
            self.identifier(&column.name).push(", ");
        }
        self.push(PLACE).push(")) pgrst_body")
    }
}

/// The representation of the rows whose primary keys `keys` holds, an array of objects, in its order.
pub(crate) fn read_by_keys<'a>(
    write: &Write<'a>,
    tree: &Node<'a>,
    keys: String,
    form: BodyForm<'_>,
) -> Statement<'a> {
    let mut sql = Sql::new();
    sql.push("WITH ").push(RESULT).push(" AS MATERIALIZED (SELECT ");
    let relation = Qualifier::Relation { schema: write.schema, name: write.relation };
    sql.joined(", ", &write.returning, |sql, column| {
        sql.column(relation, column);
    });
    sql.push(" FROM ").qualified(write.schema, write.relation).push(" JOIN ROWS FROM (json_to_recordset(");
    sql.text(keys).push("::json) AS (");
    let key = key_columns(write.structure);
    sql.joined(", ", &key, |sql, (name, type_name)| {
        sql.identifier(name).push(" ").push(type_name);
    });
    sql.push(")) WITH ORDINALITY AS pgrst_key(");
    for (name, _) in &key {
        sql.identifier(name).push(", ");
    }
    sql.push("pgrst_position) ON ");
    sql.joined(" AND ", &key, |sql, (name, _)| {
        sql.column(relation, name).push(" = ").column(Qualifier::Alias("pgrst_key"), name);
    });
    sql.push(" ORDER BY pgrst_key.pgrst_position)");
    if form == BodyForm::Csv {
        sql.push(", pgrst_rows AS (").rows_of(tree, None).push(")");
    }
    sql.push(" SELECT ").body(form, None).push(" AS body FROM (");
    if form == BodyForm::Csv {
        sql.push("SELECT * FROM pgrst_rows");
    } else {
        sql.rows_of(tree, None);
    }
    sql.push(") _t");
    sql.into()
}

/// Names and types.
fn key_columns(structure: &Relation) -> Vec<(&str, &str)> {
    let key = structure.primary_key.iter().filter_map(|name| structure.column(name));
    key.map(|column| (&*column.name, &*column.type_name.0)).collect()
}
