//! Relationships between relations: from foreign keys, through views, over junctions, by functions.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use serde::Deserialize;

/// A way from one relation to another of the same schema.
///
/// The derived order is the one in which PostgREST lists candidates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Relationship {
    /// The relation at the far end.
    pub(crate) foreign: Box<str>,
    pub(crate) is_self: bool,
    pub(crate) link: Link,
    pub(crate) from_view: bool,
    pub(crate) to_view: bool,
    /// Whether a foreign key is followed from what it refers to.
    pub(crate) is_inverse: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Link {
    /// By a foreign key; pairs of (near column, far column).
    Key { kind: Kind, constraint: Box<str>, columns: Pairs },
    /// Many-to-many.
    Junction(Junction),
    /// A function from the near row to far rows.
    Computed { schema: Box<str>, function: Box<str>, to_one: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    OneToMany,
    ManyToOne,
    OneToOne,
}

/// A relation whose primary key holds two foreign keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Junction {
    pub(crate) schema: Box<str>,
    pub(crate) relation: Box<str>,
    pub(crate) near_constraint: Box<str>,
    pub(crate) far_constraint: Box<str>,
    /// (near column, junction column).
    pub(crate) near: Pairs,
    /// (far column, junction column).
    pub(crate) far: Pairs,
}

pub(crate) type Pairs = Vec<(Box<str>, Box<str>)>;

impl Relationship {
    pub(crate) fn is_to_one(&self) -> bool {
        match &self.link {
            Link::Key { kind, .. } => matches!(kind, Kind::ManyToOne | Kind::OneToOne),
            Link::Junction(_) => false,
            Link::Computed { to_one, .. } => *to_one,
        }
    }
}

/// Schema and name.
pub(super) type Name = (Box<str>, Box<str>);

/// Constraint, schema and table, far schema and table, columns, far columns, whether it is unique.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ForeignKey(
    Box<str>,
    Box<str>,
    Box<str>,
    Box<str>,
    Box<str>,
    Vec<Box<str>>,
    Vec<Box<str>>,
    bool,
);

/// View schema, view, view column, table schema, table, table column.
#[derive(Debug, Deserialize)]
pub(super) struct ViewColumn(Box<str>, Box<str>, Box<str>, Box<str>, Box<str>, Box<str>);

/// Function schema and name, near schema and relation, far schema and relation, whether one row.
#[derive(Debug, Deserialize)]
pub(super) struct Computed(Box<str>, Box<str>, Box<str>, Box<str>, Box<str>, Box<str>, bool);

#[derive(Debug)]
pub(super) struct Table {
    pub(super) is_view: bool,
    /// Set where requests may name it.
    pub(super) shape: Option<Shape>,
    pub(super) primary_key: Vec<Box<str>>,
}

#[derive(Debug)]
pub(super) struct Shape {
    /// Bits of what may be written.
    pub(super) writable: i32,
    /// Where the catalog's text speaks of its columns.
    pub(super) columns: Range<usize>,
}

impl Table {
    fn is_exposed(&self) -> bool {
        self.shape.is_some()
    }
}

pub(super) struct Structure {
    pub(super) tables: HashMap<Name, Table>,
    pub(super) foreign_keys: Vec<ForeignKey>,
    pub(super) view_columns: Vec<ViewColumn>,
}

/// A foreign key between two relations, either of which may be a view.
#[derive(Debug, Clone)]
struct Edge {
    near: Name,
    far: Name,
    constraint: Box<str>,
    columns: Pairs,
    unique: bool,
}

/// View → table → table column → the view's columns that show it.
type Traces<'s> = BTreeMap<(Name, Name), BTreeMap<&'s str, Vec<&'s str>>>;

impl Structure {
    /// Gives each view the keys of the tables whose whole key it shows.
    pub(super) fn find_view_keys(&mut self) {
        let mut keys: BTreeMap<Name, Vec<Box<str>>> = BTreeMap::new();
        for ((view, table), columns) in &self.traces() {
            let Some(base) = self.tables.get(table).filter(|base| !base.primary_key.is_empty()) else {
                continue;
            };
            let shown =
                base.primary_key.iter().map(|key| columns.get(&**key).and_then(|names| names.first()));
            if let Some(shown) = shown.collect::<Option<Vec<_>>>() {
                keys.entry(view.clone()).or_default().extend(shown.into_iter().map(|name| Box::from(*name)));
            }
        }
        for (view, key) in keys {
            if let Some(view) = self.tables.get_mut(&view).filter(|view| view.is_view) {
                view.primary_key = key;
            }
        }
    }

    fn traces(&self) -> Traces<'_> {
        let mut traces = Traces::new();
        for ViewColumn(view_schema, view, column, schema, table, table_column) in &self.view_columns {
            let key = ((view_schema.clone(), view.clone()), (schema.clone(), table.clone()));
            traces.entry(key).or_default().entry(table_column).or_default().push(column);
        }
        traces
    }

    /// All many-to-one and one-to-one edges, those of views included.
    fn edges(&self) -> Vec<Edge> {
        let traces = self.traces();
        let mut views: HashMap<&Name, Vec<_>> = HashMap::new();
        for ((view, table), columns) in &traces {
            views.entry(table).or_default().push((view, columns));
        }
        let views_of = |table: &Name| views.get(table).into_iter().flatten().copied();
        let mut edges = Vec::new();
        for ForeignKey(constraint, schema, table, far_schema, far_table, columns, far_columns, unique) in
            &self.foreign_keys
        {
            let edge = |near: &Name, far: &Name, near_columns: &[&str], far_columns: &[&str]| Edge {
                near: near.clone(),
                far: far.clone(),
                constraint: constraint.clone(),
                columns: near_columns
                    .iter()
                    .zip(far_columns)
                    .map(|(one, two)| ((*one).into(), (*two).into()))
                    .collect(),
                unique: *unique,
            };
            let near = (schema.clone(), table.clone());
            let far = (far_schema.clone(), far_table.clone());
            let plain = |columns: &'_ [Box<str>]| {
                vec![columns.iter().map(|name| name.to_string()).collect::<Vec<_>>()]
            };
            let mut near_ends = vec![(near.clone(), plain(columns))];
            near_ends.extend(views_of(&near).map(|(view, shown)| (view.clone(), spellings(columns, shown))));
            let mut far_ends = vec![(far.clone(), plain(far_columns))];
            far_ends
                .extend(views_of(&far).map(|(view, shown)| (view.clone(), spellings(far_columns, shown))));
            for (near, near_spellings) in &near_ends {
                for (far, far_spellings) in &far_ends {
                    for near_columns in near_spellings {
                        for far_columns in far_spellings {
                            let near_columns = near_columns.iter().map(String::as_str).collect::<Vec<_>>();
                            let far_columns = far_columns.iter().map(String::as_str).collect::<Vec<_>>();
                            edges.push(edge(near, far, &near_columns, &far_columns));
                        }
                    }
                }
            }
        }
        edges
    }

    fn table(&self, name: &Name) -> Option<&Table> {
        self.tables.get(name)
    }
}

/// Each way in which a view shows all of `columns`; none when it hides one of them.
fn spellings(columns: &[Box<str>], shown: &BTreeMap<&str, Vec<&str>>) -> Vec<Vec<String>> {
    let mut ways = vec![Vec::new()];
    for column in columns {
        let Some(names) = shown.get(&**column) else { return Vec::new() };
        ways = ways
            .iter()
            .flat_map(|way: &Vec<String>| {
                names.iter().map(|name| way.iter().cloned().chain([(*name).to_owned()]).collect())
            })
            .collect();
    }
    ways
}

/// All relationships between exposed relations of one schema, by schema and origin.
pub(super) fn build(
    structure: &Structure,
    computed: Vec<Computed>,
) -> Vec<(Box<str>, Box<str>, Vec<Relationship>)> {
    let edges = structure.edges();
    let mut found: BTreeMap<Name, Vec<Relationship>> = BTreeMap::new();
    let mut add = |near: &Name, far: &Name, link: Link, is_inverse: bool| {
        let (Some(near_table), Some(far_table)) = (structure.table(near), structure.table(far)) else {
            return;
        };
        if near_table.is_exposed() && far_table.is_exposed() && near.0 == far.0 {
            found.entry(near.clone()).or_default().push(Relationship {
                foreign: far.1.clone(),
                is_self: near == far,
                link,
                from_view: near_table.is_view,
                to_view: far_table.is_view,
                is_inverse,
            });
        }
    };
    for edge in &edges {
        let key = |kind, columns| Link::Key { kind, constraint: edge.constraint.clone(), columns };
        let swapped = edge.columns.iter().map(|(near, far)| (far.clone(), near.clone())).collect();
        let (kind, inverse) =
            if edge.unique { (Kind::OneToOne, Kind::OneToOne) } else { (Kind::ManyToOne, Kind::OneToMany) };
        add(&edge.near, &edge.far, key(kind, edge.columns.clone()), false);
        add(&edge.far, &edge.near, key(inverse, swapped), true);
    }
    for (near, far, junction) in junctions(structure, &edges) {
        add(&near, &far, Link::Junction(junction), false);
    }
    // A relation that others refer to is known as an origin, though what refers to it is hidden.
    for Edge { far, .. } in &edges {
        if structure.table(far).is_some_and(Table::is_exposed) {
            found.entry(far.clone()).or_default();
        }
    }
    for Computed(schema, function, near_schema, near, far_schema, far, to_one) in computed {
        let near_key = (near_schema.clone(), near);
        if let Some(relationships) = found.get_mut(&near_key) {
            // A function overrides what was found towards a relation of its own name.
            relationships.retain(|known| {
                matches!(known.link, Link::Computed { .. })
                    || (&near_schema, &*known.foreign) != (&schema, &*function)
            });
        }
        if near_schema == far_schema {
            let is_self = near_key.1 == far;
            let link = Link::Computed { schema, function, to_one };
            let relationship = Relationship {
                foreign: far,
                is_self,
                link,
                from_view: false,
                to_view: false,
                is_inverse: false,
            };
            found.entry(near_key).or_default().push(relationship);
        }
    }
    found
        .into_iter()
        .map(|((schema, origin), mut relationships)| {
            relationships.sort_by(|one, two| {
                let computed =
                    |relationship: &Relationship| matches!(relationship.link, Link::Computed { .. });
                computed(one).cmp(&computed(two)).then_with(|| one.cmp(two))
            });
            (schema, origin, relationships)
        })
        .collect()
}

/// Relations with two foreign keys inside their primary key, and what they connect.
fn junctions(structure: &Structure, edges: &[Edge]) -> Vec<(Name, Name, Junction)> {
    let mut by_origin: HashMap<&Name, Vec<&Edge>> = HashMap::new();
    for edge in edges.iter().filter(|edge| !edge.unique) {
        by_origin.entry(&edge.near).or_default().push(edge);
    }
    let mut found = Vec::new();
    for (junction, edges) in by_origin {
        let Some(table) = structure.table(junction).filter(|table| table.is_exposed()) else { continue };
        let in_key = |edge: &Edge| edge.columns.iter().all(|(column, _)| table.primary_key.contains(column));
        for one in edges.iter().filter(|edge| in_key(edge)) {
            for two in edges.iter().filter(|edge| in_key(edge) && edge.constraint != one.constraint) {
                let swap = |edge: &Edge| {
                    edge.columns.iter().map(|(near, far)| (far.clone(), near.clone())).collect()
                };
                found.push((
                    one.far.clone(),
                    two.far.clone(),
                    Junction {
                        schema: junction.0.clone(),
                        relation: junction.1.clone(),
                        near_constraint: one.constraint.clone(),
                        far_constraint: two.constraint.clone(),
                        near: swap(one),
                        far: swap(two),
                    },
                ));
            }
        }
    }
    found
}
