//! Levels of rows, written one after the other: what others refer to first.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::catalog::{Catalog, Junction, Relation};
use crate::plan::{Mutation, Node, Target, Write};
use crate::problem::Problem;
use crate::request::{Action, Logic, Nested, Resolution};
use crate::serve::{Host, HostError, Steps};

use super::flow::{Flow, Taken, flow, take};
use super::keys::Keys;
use super::level::{Level, Root, Writer};
use super::row::Row;

/// What is written after the row that it belongs to.
type Later<'n, 'a, 'b> = Vec<(&'n Node<'a>, Flow<'a>, Vec<(usize, Row<'b>)>)>;
/// What is written for a row that will refer to it.
type Above<'n, 'a, 'b> = Vec<(&'n Node<'a>, &'a [(Box<str>, Box<str>)], Taken<'b>)>;

impl<'s, H: Host + Steps> Writer<'s, H> {
    /// The rows of the request itself. `write` is what it would be without nested ones.
    pub(super) fn write_root(
        &mut self,
        tree: &Node<'_>,
        write: &Write<'_>,
        rows: Vec<Row<'_>>,
    ) -> Result<Keys, HostError> {
        let wanted = write.structure.primary_key.iter().map(|column| column.to_string()).collect();
        match &write.mutation {
            Mutation::Update { conditions, .. } => {
                let rows = <[Row<'_>; 1]>::try_from(rows).map_err(|_| Problem::nested_shape(""))?;
                self.update_root(tree, write, conditions, rows, wanted)
            }
            Mutation::Insert { .. } | Mutation::Delete { .. } => {
                self.write_rows(tree, rows, wanted, Some(write))
            }
        }
    }

    /// Writes `rows` with all that belongs to them and returns the `wanted` columns.
    fn write_rows(
        &mut self,
        node: &Node<'_>,
        mut rows: Vec<Row<'_>>,
        mut wanted: BTreeSet<String>,
        root: Option<&Write<'_>>,
    ) -> Result<Keys, HostError> {
        let mut later = Later::new();
        for (index, child) in node.children.iter().enumerate() {
            let Some(taken) = take(&mut rows, index) else { continue };
            match flow(node, child, &rows, self.nested)? {
                Flow::Up(columns) => self.write_above(child, columns, &mut rows, taken, root.is_some())?,
                flow => {
                    wanted.extend(near_columns(flow).map(str::to_owned));
                    later.push((child, flow, taken.rows));
                }
            }
        }
        let structure = node.structure.ok_or_else(|| unknown(node, self.catalog))?;
        let is_saved = self.nested == Nested::Update && root.is_none();
        let conflict = if is_saved { None } else { self.conflict(structure, &rows, root.is_some()) };
        let root = root.map(|write| Root { key: key_conditions(write), guarded: write.guarded });
        let level = Level { schema: node.schema, relation: node.relation, structure, conflict, root };
        let keys = if is_saved {
            let key = structure.primary_key.iter().map(AsRef::as_ref).collect::<Vec<_>>();
            self.save_level(&level, &key, &rows, wanted)?
        } else {
            self.insert_level(&level, &rows.iter().collect::<Vec<_>>(), wanted)?
        };
        self.write_later(later, &keys)?;
        Ok(keys)
    }

    /// PATCH: one object for the rows that the filters find; where there is something that belongs to it,
    /// for one row.
    fn update_root(
        &mut self,
        node: &Node<'_>,
        write: &Write<'_>,
        conditions: &[Cow<'_, Logic<'_>>],
        mut rows: [Row<'_>; 1],
        mut wanted: BTreeSet<String>,
    ) -> Result<Keys, HostError> {
        let (mut above, mut later) = (Above::new(), Later::new());
        for (index, child) in node.children.iter().enumerate() {
            let Some(taken) = take(&mut rows, index) else { continue };
            match flow(node, child, &rows, self.nested)? {
                Flow::Up(columns) => above.push((child, columns, taken)),
                _ if taken.rows.is_empty() => {}
                flow => {
                    wanted.extend(near_columns(flow).map(str::to_owned));
                    later.push((child, flow, taken.rows));
                }
            }
        }
        let [row] = rows;
        let level = Level {
            schema: node.schema,
            relation: node.relation,
            structure: write.structure,
            conflict: None,
            root: Some(Root { key: Vec::new(), guarded: write.guarded }),
        };
        let mut keys = self.update_level(&level, &row, conditions, wanted.clone())?;
        if keys.len() == 0 || above.is_empty() && later.is_empty() {
            return Ok(keys);
        }
        if keys.len() > 1 {
            return Err(Problem::nested_several(node.relation, keys.len()).into());
        }
        if !above.is_empty() {
            keys = self.refer(&level, above, &keys, wanted)?;
        }
        self.write_later(later, &keys)?;
        Ok(keys)
    }

    /// Lets the one row with `keys` refer to rows that are written now: it is known only now that there is
    /// such a row.
    fn refer(
        &mut self,
        level: &Level<'_>,
        above: Above<'_, '_, '_>,
        keys: &Keys,
        wanted: BTreeSet<String>,
    ) -> Result<Keys, HostError> {
        let key = level.structure.primary_key.iter().map(AsRef::as_ref).collect::<Vec<&str>>();
        if key.is_empty() {
            return Err(Problem::nested_unnamed(level.relation).into());
        }
        let own = key.iter().map(|column| {
            let value = keys.get(0, column).unwrap_or("null").to_owned();
            (Cow::Owned((*column).to_owned()), Cow::Owned(value))
        });
        let mut rows = [Row { own: own.collect(), nested: Vec::new() }];
        for (child, columns, taken) in above {
            self.write_above(child, columns, &mut rows, taken, false)?;
        }
        let level = Level { conflict: None, root: None, ..*level };
        let found = self.update_by_keys(&level, &key, &rows.each_ref(), &wanted)?;
        let rows = found.into_iter().map(|(_, values)| values).collect::<Vec<_>>();
        if rows.len() != 1 {
            return Err(Problem::nested_lost(level.relation, 1, rows.len()).into());
        }
        Ok(Keys { columns: wanted.into_iter().collect(), rows })
    }

    fn write_later(&mut self, later: Later<'_, '_, '_>, keys: &Keys) -> Result<(), HostError> {
        for (child, flow, taken) in later {
            match flow {
                Flow::Down(columns) => self.write_below(child, columns, keys, taken)?,
                Flow::Junction(junction) => self.write_across(child, junction, keys, taken)?,
                Flow::Up(_) => {}
            }
        }
        Ok(())
    }

    /// Rows that `rows` refer to. `all`: rows that bring none refer to none, so that all of them name the
    /// same columns.
    fn write_above<'b>(
        &mut self,
        child: &Node<'_>,
        columns: &[(Box<str>, Box<str>)],
        rows: &mut [Row<'b>],
        taken: Taken<'b>,
        all: bool,
    ) -> Result<(), HostError> {
        let (owners, mut above): (Vec<_>, Vec<_>) = taken.rows.into_iter().unzip();
        if self.nested == Nested::Update {
            // A row that says what it refers to has said the key.
            for (owner, above) in owners.iter().zip(&mut above) {
                for (near, far) in columns {
                    if let Some(value) = rows[*owner].own.get(&**near).filter(|value| **value != *"null") {
                        above.own.entry(Cow::Owned(far.to_string())).or_insert_with(|| value.clone());
                    }
                }
            }
        }
        let wanted = columns.iter().map(|(_, far)| far.to_string()).collect();
        let keys = self.write_rows(child, above, wanted, None)?;
        for (near, far) in columns {
            for (place, owner) in owners.iter().enumerate() {
                let value = keys.get(place, far).unwrap_or("null").to_owned();
                rows[*owner].own.insert(Cow::Owned(near.to_string()), Cow::Owned(value));
            }
            // Those without such a row refer to none, unless they say so themselves.
            for (number, row) in rows.iter_mut().enumerate() {
                if all || self.nested == Nested::Insert || taken.named.contains(&number) {
                    row.own.entry(Cow::Owned(near.to_string())).or_insert(Cow::Borrowed("null"));
                }
            }
        }
        Ok(())
    }

    /// Rows that refer to those with `keys`.
    fn write_below(
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
        self.write_rows(child, linked.collect(), BTreeSet::new(), None).map(|_| ())
    }

    /// Rows at the far end of a junction, and the junction's own.
    fn write_across(
        &mut self,
        child: &Node<'_>,
        junction: &Junction,
        keys: &Keys,
        taken: Vec<(usize, Row<'_>)>,
    ) -> Result<(), HostError> {
        let (owners, far): (Vec<_>, Vec<_>) = taken.into_iter().unzip();
        let wanted = junction.far.iter().map(|(far, _)| far.to_string()).collect();
        let far_keys = self.write_rows(child, far, wanted, None)?;
        let rows = owners.iter().enumerate().map(|(place, owner)| {
            let near = junction.near.iter().map(|(near, own)| (own, keys.get(*owner, near)));
            let far = junction.far.iter().map(|(far, own)| (own, far_keys.get(place, far)));
            let own = near.chain(far).map(|(own, value)| {
                (Cow::Owned(own.to_string()), Cow::Owned(value.unwrap_or("null").to_owned()))
            });
            Row { own: own.collect(), nested: Vec::new() }
        });
        let rows = rows.collect::<Vec<_>>();
        let structure = self
            .catalog
            .relation(&junction.schema, &junction.relation)
            .ok_or_else(|| Problem::unknown_relation(&junction.schema, &junction.relation, self.catalog))?;
        let (schema, relation) = (&*junction.schema, &*junction.relation);
        let level = Level { schema, relation, structure, conflict: None, root: None };
        if self.nested == Nested::Update {
            // Rows may be connected already.
            let ends = junction.near.iter().chain(&junction.far);
            let key = ends.map(|(_, own)| &**own).collect::<Vec<_>>();
            return self.save_level(&level, &key, &rows, BTreeSet::new()).map(|_| ());
        }
        self.insert_level(&level, &rows.iter().collect::<Vec<_>>(), BTreeSet::new()).map(|_| ())
    }

    /// What to do with rows that are there: what the request says of its own; in a nested insert on every
    /// level that names its primary key.
    fn conflict<'l>(&self, structure: &'l Relation, rows: &[Row<'_>], is_root: bool) -> Option<Target<'l>>
    where
        's: 'l,
    {
        let replaces = is_root && self.intent.action == Action::Replace;
        let merge = replaces || self.intent.preferences.resolution? == Resolution::MergeDuplicates;
        let columns = match &self.intent.query.on_conflict {
            Some(columns) if is_root && !replaces => columns.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
            _ => structure.primary_key.iter().map(AsRef::as_ref).collect(),
        };
        let named = rows.iter().all(|row| columns.iter().all(|column| row.own.contains_key(*column)));
        (named && !columns.is_empty()).then_some(Target { columns, merge })
    }
}

fn key_conditions<'w>(write: &'w Write<'_>) -> Vec<&'w Logic<'w>> {
    match &write.mutation {
        Mutation::Insert { key, .. } => key.iter().map(|logic| &**logic as &Logic<'_>).collect(),
        Mutation::Update { .. } | Mutation::Delete { .. } => Vec::new(),
    }
}

/// The columns whose values others take.
fn near_columns<'a>(flow: Flow<'a>) -> impl Iterator<Item = &'a str> {
    let columns = match flow {
        Flow::Up(columns) | Flow::Down(columns) => columns,
        Flow::Junction(junction) => &junction.near,
    };
    columns.iter().map(|(near, _)| &**near)
}

fn unknown(node: &Node<'_>, catalog: &Catalog) -> HostError {
    HostError::Problem(Problem::unknown_relation(node.schema, node.relation, catalog))
}
