//! Rows of one relation: the statements that write them, and what comes back.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{Catalog, Column, Relation};
use crate::plan::{ColumnSource, Mutation, Target, Write};
use crate::problem::Problem;
use crate::request::{Action, Intent, Logic, Missing, Nested, Payload};
use crate::respond::HeadValue;
use crate::serve::{Host, HostError, Step, Steps};
use crate::sql::{Keyed, Statement, write_by_keys, write_for_keys};

use super::RESULT_BYTES_MAX;
use super::keys::{Keys, Values, object};
use super::row::Row;

/// Statements of one nested insert. Each level of `select` that has rows is one.
const LEVELS_MAX: usize = 32;
/// Statements of one nested update. Each level takes as many as its rows name different columns, and
/// twice as many where some of them are new.
const UPDATES_MAX: usize = 128;

/// Where the rows go.
pub(super) struct Level<'l> {
    pub(super) schema: &'l str,
    pub(super) relation: &'l str,
    pub(super) structure: &'l Relation,
    pub(super) conflict: Option<Target<'l>>,
    /// Set for the request's own rows.
    pub(super) root: Option<Root<'l>>,
}

/// What holds for the request's own rows alone.
pub(super) struct Root<'l> {
    /// PUT: the filters that the row must match to be written at all.
    pub(super) key: Vec<&'l Logic<'l>>,
    pub(super) guarded: bool,
}

/// Runs the statements of a request, one after the other.
pub(super) struct Writer<'s, H> {
    host: &'s mut H,
    pub(super) intent: &'s Intent<'s>,
    pub(super) catalog: &'s Catalog,
    pub(super) nested: Nested,
    statements: usize,
    /// What SQL code chose for the response, as of the last statement.
    pub(super) headers: Option<String>,
    pub(super) status: Option<String>,
    /// How many of the request's own rows were not there before, where they were merged.
    pub(super) inserted: Option<i64>,
}

impl<'s, H: Host + Steps> Writer<'s, H> {
    pub(super) fn new(host: &'s mut H, intent: &'s Intent<'s>, catalog: &'s Catalog, nested: Nested) -> Self {
        Self { host, intent, catalog, nested, statements: 0, headers: None, status: None, inserted: None }
    }

    pub(super) fn run(&mut self, statement: Statement<'_>) -> Result<Step, HostError> {
        self.host.step(statement, RESULT_BYTES_MAX)
    }

    /// Inserts rows that name the same columns.
    pub(super) fn insert_level(
        &mut self,
        level: &Level<'_>,
        rows: &[&Row<'_>],
        wanted: BTreeSet<String>,
    ) -> Result<Keys, HostError> {
        if rows.is_empty() {
            return Ok(Keys { columns: wanted.into_iter().collect(), rows: Vec::new() });
        }
        let target = level.conflict.as_ref();
        let conflict = target.map(|target| Target { columns: target.columns.clone(), merge: target.merge });
        let key = level.root.iter().flat_map(|root| &root.key).map(|logic| Cow::Borrowed(*logic)).collect();
        let payload = self.payload(level, rows).map_err(HostError::Problem)?;
        let columns = self.source(level, &payload)?;
        let keys = self.write(level, Mutation::Insert { columns, conflict, key }, wanted)?;
        if level.root.is_some() && self.intent.action == Action::Replace && keys.len() != 1 {
            return Err(Problem::put_key().into());
        }
        if keys.len() != rows.len() {
            // A trigger or a conflict has left some out, and nobody knows which.
            return Err(Problem::nested_lost(level.relation, rows.len(), keys.len()).into());
        }
        Ok(keys)
    }

    /// Updates the rows that meet `conditions`, all of them alike.
    pub(super) fn update_level(
        &mut self,
        level: &Level<'_>,
        row: &Row<'_>,
        conditions: &[Cow<'_, Logic<'_>>],
        wanted: BTreeSet<String>,
    ) -> Result<Keys, HostError> {
        let payload = self.payload(level, &[row]).map_err(HostError::Problem)?;
        let columns = self.source(level, &payload)?;
        let conditions = conditions.iter().map(|logic| Cow::Borrowed(&**logic)).collect();
        self.write(level, Mutation::Update { columns, conditions }, wanted)
    }

    fn source<'l>(&self, level: &Level<'l>, payload: &'l Payload<'_>) -> Result<ColumnSource<'l>, HostError> {
        let defaults = self.intent.preferences.missing == Some(Missing::Default);
        Ok(ColumnSource { columns: columns(level, payload)?, payload, defaults })
    }

    fn write<'m>(
        &mut self,
        level: &Level<'m>,
        mutation: Mutation<'m>,
        wanted: BTreeSet<String>,
    ) -> Result<Keys, HostError> {
        let wanted = wanted.into_iter().collect::<Vec<_>>();
        let write = Write {
            schema: level.schema,
            relation: level.relation,
            structure: level.structure,
            mutation,
            returning: wanted.iter().map(|column| Cow::Owned(column.clone())).collect(),
            guarded: level.root.as_ref().is_some_and(|root| root.guarded),
            versioned: false,
        };
        let statement = write_for_keys(&write, &self.intent.conditions);
        let (rows, inserted) = self.step(statement)?;
        if level.root.is_some() {
            self.inserted = inserted;
        }
        Ok(Keys { columns: wanted, rows })
    }

    /// Updates the rows that hold their `key` and are there, inserts the others, and returns the `wanted`
    /// columns of all. What a row does not name stays as it is.
    pub(super) fn save_level(
        &mut self,
        level: &Level<'_>,
        key: &[&str],
        rows: &[Row<'_>],
        wanted: BTreeSet<String>,
    ) -> Result<Keys, HostError> {
        let mut found = rows.iter().map(|_| None).collect::<Vec<Option<Values>>>();
        let has_key = |row: &Row<'_>| {
            let given = |column: &&str| row.own.get(*column).is_some_and(|value| **value != *"null");
            !key.is_empty() && key.iter().all(given)
        };
        for numbers in shapes(rows, |number| has_key(&rows[number])) {
            let shape = numbers.iter().map(|number| &rows[*number]).collect::<Vec<_>>();
            for (place, values) in self.update_by_keys(level, key, &shape, &wanted)? {
                let number = place.checked_sub(1).and_then(|place| numbers.get(place));
                if let Some(slot) = number.and_then(|number| found.get_mut(*number)) {
                    *slot = Some(values);
                }
            }
        }
        for numbers in shapes(rows, |number| found[number].is_none()) {
            let shape = numbers.iter().map(|number| &rows[*number]).collect::<Vec<_>>();
            let keys = self.insert_level(level, &shape, wanted.clone())?;
            for (number, values) in numbers.into_iter().zip(keys.rows) {
                found[number] = Some(values);
            }
        }
        let rows = found.into_iter().map(Option::unwrap_or_default).collect();
        Ok(Keys { columns: wanted.into_iter().collect(), rows })
    }

    /// Places, from 1, of the rows that were there, with the values that were `wanted` of them.
    pub(super) fn update_by_keys(
        &mut self,
        level: &Level<'_>,
        key: &[&str],
        rows: &[&Row<'_>],
        wanted: &BTreeSet<String>,
    ) -> Result<Vec<(usize, Values)>, HostError> {
        let payload = self.payload(level, rows).map_err(HostError::Problem)?;
        let keyed = Keyed {
            schema: level.schema,
            relation: level.relation,
            key,
            columns: columns(level, &payload)?,
            payload: &payload,
            wanted,
        };
        let (rows, _) = self.step(write_by_keys(&keyed))?;
        let placed = rows.into_iter().map(|mut values| {
            let place = if values.is_empty() { None } else { values.remove(0).get().parse().ok() };
            (place.unwrap_or_default(), values)
        });
        Ok(placed.collect())
    }

    /// Runs a statement that returns keys: these, and how many rows are new, if it says so.
    fn step(&mut self, statement: Statement<'_>) -> Result<(Vec<Values>, Option<i64>), HostError> {
        self.statements += 1;
        match self.nested {
            Nested::Insert if self.statements > LEVELS_MAX => {
                return Err(Problem::nested_too_deep(LEVELS_MAX).into());
            }
            Nested::Update if self.statements > UPDATES_MAX => {
                return Err(Problem::nested_too_varied(UPDATES_MAX).into());
            }
            Nested::Insert | Nested::Update => {}
        }
        let step = self.run(statement)?;
        let [_, inserted, headers, status] = &step.head[..] else {
            return Err(Problem::internal("A nested write has another head.").into());
        };
        let text = |value: &HeadValue| match value {
            HeadValue::Text(text) => Some(text.clone()),
            HeadValue::Integer(_) | HeadValue::Null => None,
        };
        (self.headers, self.status) = (text(headers), text(status));
        let inserted = match inserted {
            HeadValue::Integer(rows) => Some(*rows),
            HeadValue::Text(_) | HeadValue::Null => None,
        };
        let rows = step.document.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let rows = rows.ok_or_else(|| Problem::internal("Written rows have no keys."))?;
        Ok((rows, inserted))
    }

    /// The rows as one JSON array.
    fn payload(&self, level: &Level<'_>, rows: &[&Row<'_>]) -> Result<Payload<'static>, Problem> {
        let mut keys: BTreeSet<String> =
            rows.iter().flat_map(|row| row.own.keys().map(|key| key.to_string())).collect();
        let even = rows.iter().all(|row| row.own.len() == keys.len());
        let listed = self.intent.query.columns.as_deref().filter(|_| level.root.is_some());
        if !even && listed.is_none() && self.intent.preferences.missing != Some(Missing::Default) {
            return Err(Problem::broken_body("All object keys must match"));
        }
        let is_column = |name: &&Cow<'_, str>| level.structure.column(name).is_some();
        keys.extend(listed.iter().copied().flatten().filter(is_column).map(|name| name.to_string()));
        let texts = rows.iter().map(|row| object(row.own.iter().map(|(name, value)| (&**name, &**value))));
        let text = format!("[{}]", texts.collect::<Vec<_>>().join(","));
        let keys = keys.into_iter().map(Cow::Owned).collect();
        Ok(Payload::Json { text: Cow::Owned(text), keys, is_object: false })
    }
}

/// The numbers of the rows that are meant, those that name the same columns together.
fn shapes(rows: &[Row<'_>], is_meant: impl Fn(usize) -> bool) -> Vec<Vec<usize>> {
    let mut shapes = BTreeMap::<Vec<&str>, Vec<usize>>::new();
    for (number, row) in rows.iter().enumerate().filter(|(number, _)| is_meant(*number)) {
        shapes.entry(row.own.keys().map(|key| &**key).collect()).or_default().push(number);
    }
    shapes.into_values().collect()
}

fn columns<'l>(level: &Level<'l>, payload: &Payload<'_>) -> Result<Vec<&'l Column>, Problem> {
    let Payload::Json { keys, .. } = payload else { return Ok(Vec::new()) };
    keys.iter()
        .map(|name| {
            let column = level.structure.column(name);
            column.ok_or_else(|| Problem::unknown_column(level.relation, name))
        })
        .collect()
}
