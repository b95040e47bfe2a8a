//! Names of types by their numbers. Built-in ones are known; enums, domains' arrays, extensions'
//! types and the like are asked for once.

use std::collections::HashMap;

use isobase_base::limits::DATABASE_TYPE_NAMES_MAX;
use parking_lot::Mutex;
use postgres_protocol::Oid;
use postgres_types::Type;

use crate::Column;
use crate::connection::{Connection, Shape, Trouble};

#[derive(Debug, Default)]
pub(crate) struct TypeNames {
    learned: Mutex<HashMap<Oid, String>>,
}

impl TypeNames {
    /// The columns of a result, asking the server for what is not known. The connection must be
    /// between flights, and its transaction, if one is open, must not have failed.
    pub(crate) async fn columns(
        &self,
        shape: &Shape,
        connection: &mut Connection,
    ) -> Result<Vec<Column>, Trouble> {
        let unknown: Vec<String> =
            shape.oids.iter().filter(|oid| self.name(**oid).is_none()).map(Oid::to_string).collect();
        if !unknown.is_empty() {
            let sql = format!(
                "select oid, typname from pg_catalog.pg_type where oid operator(pg_catalog.=) any('{{{}}}'::pg_catalog.oid[])",
                unknown.join(",")
            );
            let rows = connection.fetch(&sql).await?;
            self.learn(&rows);
        }
        let column = |(name, oid): (&String, &Oid)| Column {
            name: name.clone(),
            type_name: self.name(*oid).unwrap_or_else(|| oid.to_string()),
        };
        Ok(shape.names.iter().zip(&shape.oids).map(column).collect())
    }

    fn name(&self, oid: Oid) -> Option<String> {
        match Type::from_oid(oid) {
            Some(built_in) => Some(built_in.name().to_owned()),
            None => self.learned.lock().get(&oid).cloned(),
        }
    }

    fn learn(&self, rows: &[Vec<Option<String>>]) {
        let mut learned = self.learned.lock();
        if learned.len() + rows.len() > DATABASE_TYPE_NAMES_MAX {
            learned.clear();
        }
        for row in rows {
            if let [Some(oid), Some(name)] = &row[..]
                && let Ok(oid) = oid.parse()
            {
                learned.insert(oid, name.clone());
            }
        }
    }

    /// Types may have been renamed, or dropped and their numbers given away.
    pub(crate) fn forget(&self) {
        self.learned.lock().clear();
    }
}
