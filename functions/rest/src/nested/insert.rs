//! Levels of rows, inserted one after the other.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::catalog::{Catalog, Column, Junction, Kind, Link, Relation};
use crate::plan::{ColumnSource, Mutation, Node, Target, Write};
use crate::problem::Problem;
use crate::request::{Intent, Missing, Payload, Resolution};
use crate::respond::HeadValue;
use crate::serve::{Host, HostError, Step, Steps};
use crate::sql::{Statement, insert_for_keys};

use super::RESULT_BYTES_MAX;
use super::row::Row;

/// Statements of one request. Each level of `select` that has rows is one.
const LEVELS_MAX: usize = 32;

/// Values that Postgres returned of inserted rows, in the order of these rows: it returns them as it
/// inserts them, and inserts what a JSON array gives it from first to last.
#[derive(Debug, Default)]
pub(super) struct Keys {
    columns: Vec<String>,
    /// JSON texts.
    rows: Vec<Vec<Box<RawValue>>>,
}

impl Keys {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    fn get(&self, row: usize, column: &str) -> Option<&str> {
        let index = self.columns.iter().position(|known| known == column)?;
        self.rows.get(row)?.get(index).map(|value| value.get())
    }

    /// A JSON array of objects.
    pub(super) fn objects(&self) -> String {
        let object = |row: &Vec<Box<RawValue>>| {
            let members = self.columns.iter().map(String::as_str).zip(row.iter().map(|value| value.get()));
            object(members)
        };
        format!("[{}]", self.rows.iter().map(object).collect::<Vec<_>>().join(","))
    }

    /// Names and texts of a single row's key, as [`crate::respond::Head`] has them.
    pub(super) fn location(&self, key: &[Box<str>]) -> Option<String> {
        let [_] = self.rows.as_slice() else { return None };
        if key.is_empty() {
            return None;
        }
        let pair = |column: &str| {
            let json = self.get(0, column)?;
            let text = serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned());
            Some((column.to_owned(), (json != "null").then_some(text)))
        };
        let pairs = key.iter().map(|column| pair(column)).collect::<Option<Vec<_>>>()?;
        serde_json::to_string(&pairs).ok()
    }
}

fn object<'v>(members: impl Iterator<Item = (&'v str, &'v str)>) -> String {
    let members =
        members.map(|(name, value)| format!("{}:{value}", serde_json::Value::from(name))).collect::<Vec<_>>();
    format!("{{{}}}", members.join(","))
}

/// Which end of a relationship takes its values from the other.
enum Flow<'a> {
    /// The row takes them from what it brings along, which goes first. (near, far).
    Up(&'a [(Box<str>, Box<str>)]),
    /// What it brings along takes them from the row. (near, far).
    Down(&'a [(Box<str>, Box<str>)]),
    Junction(&'a Junction),
}

fn flow<'a>(node: &Node<'_>, child: &Node<'a>, rows: &[Row<'_>]) -> Result<Flow<'a>, Problem> {
    let Some(join) = &child.join else { return Err(Problem::internal("An embed has no relationship.")) };
    match &join.relationship.link {
        Link::Key { kind: Kind::ManyToOne, columns, .. } => Ok(Flow::Up(columns)),
        Link::Key { kind: Kind::OneToMany, columns, .. } => Ok(Flow::Down(columns)),
        // Either side may hold the key: it goes from where it is given, or made, to the other one.
        Link::Key { kind: Kind::OneToOne, columns, .. } => {
            let made = |near: &str| {
                node.structure
                    .and_then(|relation| relation.column(near))
                    .is_some_and(|column| column.default.is_some())
            };
            let given = |near: &str| rows.iter().all(|row| row.own.contains_key(near));
            let down = columns.iter().all(|(near, _)| made(near) || given(near));
            Ok(if down { Flow::Down(columns) } else { Flow::Up(columns) })
        }
        Link::Junction(junction) => Ok(Flow::Junction(junction)),
        Link::Computed { .. } => Err(Problem::nested_computed(join.name())),
    }
}

pub(super) struct Inserter<'s, H> {
    host: &'s mut H,
    intent: &'s Intent<'s>,
    catalog: &'s Catalog,
    levels: usize,
    /// What SQL code chose for the response, as of the last statement.
    pub(super) headers: Option<String>,
    pub(super) status: Option<String>,
}

/// Rows of one relation, ready but for their columns' names.
struct Level<'l> {
    schema: &'l str,
    relation: &'l str,
    structure: &'l Relation,
    conflict: Option<Target<'l>>,
    is_root: bool,
}

impl<'s, H: Host + Steps> Inserter<'s, H> {
    pub(super) fn new(host: &'s mut H, intent: &'s Intent<'s>, catalog: &'s Catalog) -> Self {
        Self { host, intent, catalog, levels: 0, headers: None, status: None }
    }

    pub(super) fn run(&mut self, statement: Statement<'_>) -> Result<Step, HostError> {
        self.host.step(statement, RESULT_BYTES_MAX)
    }

    /// The rows of the request itself. `write` is what it would be without nested ones.
    pub(super) fn insert_root(
        &mut self,
        tree: &Node<'_>,
        write: &Write<'_>,
        rows: Vec<Row<'_>>,
    ) -> Result<Keys, HostError> {
        let wanted = write.structure.primary_key.iter().map(|column| column.to_string()).collect();
        self.insert(tree, rows, wanted, true)
    }

    /// Inserts `rows` with all that belongs to them and returns the `wanted` columns.
    fn insert(
        &mut self,
        node: &Node<'_>,
        mut rows: Vec<Row<'_>>,
        mut wanted: BTreeSet<String>,
        is_root: bool,
    ) -> Result<Keys, HostError> {
        let mut later = Vec::new();
        for (index, child) in node.children.iter().enumerate() {
            if !rows.iter().any(|row| row.nested.iter().any(|(nested, _)| *nested == index)) {
                continue;
            }
            let flow = flow(node, child, &rows).map_err(HostError::Problem)?;
            let taken = take(&mut rows, index);
            match flow {
                Flow::Up(columns) => self.insert_above(child, columns, &mut rows, taken)?,
                Flow::Down(columns) => {
                    wanted.extend(columns.iter().map(|(near, _)| near.to_string()));
                    later.push((child, flow, taken));
                }
                Flow::Junction(junction) => {
                    wanted.extend(junction.near.iter().map(|(near, _)| near.to_string()));
                    later.push((child, flow, taken));
                }
            }
        }
        let structure = node.structure.ok_or_else(|| unknown(node, self.catalog))?;
        let conflict = self.conflict(structure, &rows, is_root);
        let level = Level { schema: node.schema, relation: node.relation, structure, conflict, is_root };
        let keys = self.insert_level(&level, &rows, wanted)?;
        for (child, flow, taken) in later {
            match flow {
                Flow::Down(columns) => self.insert_below(child, columns, &keys, taken)?,
                Flow::Junction(junction) => self.insert_across(child, junction, &keys, taken)?,
                Flow::Up(_) => {}
            }
        }
        Ok(keys)
    }

    /// Rows that `rows` refer to.
    fn insert_above<'b>(
        &mut self,
        child: &Node<'_>,
        columns: &[(Box<str>, Box<str>)],
        rows: &mut [Row<'b>],
        taken: Vec<(usize, Row<'b>)>,
    ) -> Result<(), HostError> {
        let (owners, far): (Vec<_>, Vec<_>) = taken.into_iter().unzip();
        let wanted = columns.iter().map(|(_, far)| far.to_string()).collect();
        let keys = self.insert(child, far, wanted, false)?;
        for (near, far) in columns {
            for (place, owner) in owners.iter().enumerate() {
                let value = keys.get(place, far).unwrap_or("null").to_owned();
                rows[*owner].own.insert(Cow::Owned(near.to_string()), Cow::Owned(value));
            }
            // Those without such a row refer to none, unless they say so themselves.
            for row in rows.iter_mut() {
                row.own.entry(Cow::Owned(near.to_string())).or_insert(Cow::Borrowed("null"));
            }
        }
        Ok(())
    }

    /// Rows that refer to those with `keys`.
    fn insert_below(
        &mut self,
        child: &Node<'_>,
        columns: &[(Box<str>, Box<str>)],
        keys: &Keys,
        taken: Vec<(usize, Row<'_>)>,
    ) -> Result<(), HostError> {
        let linked = taken.into_iter().map(|(owner, mut row)| {
            for (near, far) in columns {
                let value = keys.get(owner, near).unwrap_or("null").to_owned();
                row.own.insert(Cow::Owned(far.to_string()), Cow::Owned(value));
            }
            row
        });
        self.insert(child, linked.collect(), BTreeSet::new(), false).map(|_| ())
    }

    /// Rows at the far end of a junction, and the junction's own.
    fn insert_across(
        &mut self,
        child: &Node<'_>,
        junction: &Junction,
        keys: &Keys,
        taken: Vec<(usize, Row<'_>)>,
    ) -> Result<(), HostError> {
        let (owners, far): (Vec<_>, Vec<_>) = taken.into_iter().unzip();
        let wanted = junction.far.iter().map(|(far, _)| far.to_string()).collect();
        let far_keys = self.insert(child, far, wanted, false)?;
        let rows = owners.iter().enumerate().map(|(place, owner)| {
            let near = junction.near.iter().map(|(near, own)| (own, keys.get(*owner, near)));
            let far = junction.far.iter().map(|(far, own)| (own, far_keys.get(place, far)));
            let own = near.chain(far).map(|(own, value)| {
                (Cow::Owned(own.to_string()), Cow::Owned(value.unwrap_or("null").to_owned()))
            });
            Row { own: own.collect(), nested: Vec::new() }
        });
        let rows = rows.collect::<Vec<_>>();
        let structure = self.catalog.relation(&junction.schema, &junction.relation).ok_or_else(|| {
            let relation = Problem::unknown_relation(&junction.schema, &junction.relation, self.catalog);
            HostError::Problem(relation)
        })?;
        let level = Level {
            schema: &junction.schema,
            relation: &junction.relation,
            structure,
            conflict: None,
            is_root: false,
        };
        self.insert_level(&level, &rows, BTreeSet::new()).map(|_| ())
    }

    /// What to do with rows that are there: what the request says of its own, on every level that names
    /// its primary key.
    fn conflict<'l>(&self, structure: &'l Relation, rows: &[Row<'_>], is_root: bool) -> Option<Target<'l>>
    where
        's: 'l,
    {
        let merge = self.intent.preferences.resolution? == Resolution::MergeDuplicates;
        let columns = match &self.intent.query.on_conflict {
            Some(columns) if is_root => columns.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
            _ => structure.primary_key.iter().map(AsRef::as_ref).collect(),
        };
        let named = rows.iter().all(|row| columns.iter().all(|column| row.own.contains_key(*column)));
        (named && !columns.is_empty()).then_some(Target { columns, merge })
    }

    fn insert_level(
        &mut self,
        level: &Level<'_>,
        rows: &[Row<'_>],
        wanted: BTreeSet<String>,
    ) -> Result<Keys, HostError> {
        let wanted = wanted.into_iter().collect::<Vec<_>>();
        if rows.is_empty() {
            return Ok(Keys { columns: wanted, rows: Vec::new() });
        }
        self.levels += 1;
        if self.levels > LEVELS_MAX {
            return Err(HostError::Problem(Problem::nested_too_deep(LEVELS_MAX)));
        }
        let payload = self.payload(level, rows).map_err(HostError::Problem)?;
        let returning = wanted.iter().map(|column| Cow::Borrowed(column.as_str())).collect::<Vec<_>>();
        let columns = columns(level, &payload).map_err(HostError::Problem)?;
        let defaults = self.intent.preferences.missing == Some(Missing::Default);
        let conflict = level.conflict.as_ref();
        let conflict = conflict.map(|target| Target { columns: target.columns.clone(), merge: target.merge });
        let write = Write {
            schema: level.schema,
            relation: level.relation,
            structure: level.structure,
            mutation: Mutation::Insert {
                columns: ColumnSource { columns, payload: &payload, defaults },
                conflict,
                key: Vec::new(),
            },
            returning,
            guarded: false,
            versioned: false,
        };
        let step = self.run(insert_for_keys(&write))?;
        self.keep(&step);
        let returned: Vec<Vec<Box<RawValue>>> = step
            .document
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(|| HostError::Problem(Problem::internal("Inserted rows have no keys.")))?;
        if returned.len() != rows.len() {
            // A trigger or a conflict has left some out, and nobody knows which.
            return Err(HostError::Problem(Problem::nested_lost(level.relation, rows.len(), returned.len())));
        }
        Ok(Keys { columns: wanted, rows: returned })
    }

    fn keep(&mut self, step: &Step) {
        let mut texts = step.head.iter().map(|value| match value {
            HeadValue::Text(text) => Some(text.clone()),
            _ => None,
        });
        self.headers = texts.next().flatten();
        self.status = texts.next().flatten();
    }

    /// The rows as one JSON array.
    fn payload(&self, level: &Level<'_>, rows: &[Row<'_>]) -> Result<Payload<'static>, Problem> {
        let mut keys: BTreeSet<String> =
            rows.iter().flat_map(|row| row.own.keys().map(|key| key.to_string())).collect();
        let even = rows.iter().all(|row| row.own.len() == keys.len());
        let listed = self.intent.query.columns.as_deref().filter(|_| level.is_root);
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

/// Takes what rows bring along for the child at `index`, with the number of the row that does.
fn take<'b>(rows: &mut [Row<'b>], index: usize) -> Vec<(usize, Row<'b>)> {
    let mut taken = Vec::new();
    for (owner, row) in rows.iter_mut().enumerate() {
        for (child, nested) in &mut row.nested {
            if *child == index {
                taken.extend(std::mem::take(nested).into_iter().map(|nested| (owner, nested)));
            }
        }
    }
    taken
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

fn unknown(node: &Node<'_>, catalog: &Catalog) -> HostError {
    HostError::Problem(Problem::unknown_relation(node.schema, node.relation, catalog))
}
