//! The statements of a nested insert: a level's rows in, keys out; and the rows as they are in the end.

use crate::catalog::Relation;
use crate::plan::{BodyForm, Node, Qualifier, Write};

use super::read::RESULT;
use super::statement::CHOSEN;
use super::{Sql, Statement};

/// Inserts and returns an array of the returned values per row, in the order of the rows.
pub(crate) fn insert_for_keys<'a>(write: &Write<'a>) -> Statement<'a> {
    let mut sql = Sql::new();
    sql.push("WITH ").push(RESULT).push(" AS (").write(write).push(") SELECT ").push(CHOSEN);
    sql.push("coalesce(json_agg(json_build_array(");
    sql.joined(", ", &write.returning, |sql, column| {
        sql.column(Qualifier::Alias(RESULT), column);
    });
    sql.push(")), '[]') AS keys FROM ").push(RESULT);
    sql.into()
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
