//! From the catalog's JSON text to indexed structures.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::columns::{Columns, Source, place, qualified};
use super::relationship::{Computed, ForeignKey, Name, Shape, Structure, Table, ViewColumn, build};
use super::representation::{Cast, gather};
use super::{Catalog, Function, Handler, MediaDomain, Parameter, Relation, Returns, TypeName};

/// The columns of the catalog query; see `sql.rs` for the other half of this contract.
#[derive(Deserialize)]
struct Text<'t> {
    #[serde(borrow)]
    relations: Vec<RelationText<'t>>,
    foreign_keys: Vec<ForeignKey>,
    view_keys: Vec<ViewColumn>,
    view_tables: Vec<ViewTableText>,
    functions: Vec<FunctionText>,
    computed: Vec<Computed>,
    #[serde(default)]
    configuration: Vec<(String, String)>,
    #[serde(default)]
    handlers: Vec<HandlerText>,
    #[serde(default)]
    casts: Vec<Cast>,
}

/// Domain, the aggregate's schema and name, the row type's schema and name unless it is any.
type HandlerText = (Box<str>, Box<str>, Box<str>, Option<Box<str>>, Option<Box<str>>);

/// Schema and name of a table that a view shows, primary key.
type ViewTableText = (Box<str>, Box<str>, Vec<Box<str>>);
/// Schema, name, whether it is a view, bits of what may be written, primary key, columns.
type RelationText<'t> = (Box<str>, Box<str>, bool, i32, Vec<Box<str>>, &'t RawValue);
/// Schema, name, parameters, set, composite, the result type's schema and name, volatility, settings.
/// A result that is a media type has that type's name and an empty schema.
type FunctionText = (
    Box<str>,
    Box<str>,
    Vec<ParameterText>,
    bool,
    bool,
    Box<str>,
    Box<str>,
    Box<str>,
    Option<Vec<(String, String)>>,
);
/// Name, type as shown, the type's schema and name, required, variadic.
type ParameterText = (Box<str>, Box<str>, Box<str>, Box<str>, bool, bool);

/// Bits of `pg_relation_is_updatable`: one shifted by Postgres' number of the command.
const UPDATE: i32 = 1 << 2;
const INSERT: i32 = 1 << 3;
const DELETE: i32 = 1 << 4;

/// Takes the text as it is: a copy of a large one would count.
pub(super) fn decode(json: &Arc<String>) -> Result<Catalog, serde_json::Error> {
    let text: Text<'_> = serde_json::from_str(json)?;
    let variable = |name: String| name.replace('.', "_").to_ascii_uppercase();
    let configuration = text.configuration.into_iter().map(|(name, value)| (variable(name), value)).collect();
    let mut catalog = Catalog { configuration, ..Catalog::default() };
    let mut tables = HashMap::with_capacity(text.relations.len() + text.view_tables.len());
    for (schema, table, primary_key) in text.view_tables {
        tables.insert((schema, table), Table { is_view: false, shape: None, primary_key });
    }
    for (schema, name, is_view, writable, primary_key, columns) in text.relations {
        let shape = Some(Shape { writable, columns: place(json, columns.get()) });
        tables.insert((schema, name), Table { is_view, shape, primary_key });
    }
    let mut structure = Structure { tables, foreign_keys: text.foreign_keys, view_columns: text.view_keys };
    structure.find_view_keys();
    for (schema, origin, relationships) in build(&structure, text.computed) {
        catalog.schemas.entry(schema).or_default().relationships.insert(origin, relationships);
    }
    let source = Source { text: json.clone(), representations: gather(text.casts) };
    add_relations(&mut catalog, structure.tables, &Arc::new(source));
    text.handlers.into_iter().for_each(|handler| add_handler(&mut catalog, handler));
    for function_text in text.functions {
        let (schema, name, function) = function(function_text);
        catalog.schemas.entry(schema).or_default().functions.entry(name).or_default().push(function);
    }
    for functions in catalog.schemas.values_mut().flat_map(|schema| schema.functions.values_mut()) {
        functions.sort_by_cached_key(|function| {
            let names =
                function.parameters.iter().map(|parameter| parameter.name.clone()).collect::<Vec<_>>();
            let types =
                function.parameters.iter().map(|parameter| parameter.type_shown.clone()).collect::<Vec<_>>();
            (names.len(), names, types)
        });
    }
    Ok(catalog)
}

fn add_relations(catalog: &mut Catalog, tables: HashMap<Name, Table>, source: &Arc<Source>) {
    for ((schema, name), table) in tables {
        // Others are only known for what views show of them.
        let Some(Shape { writable, columns }) = table.shape else { continue };
        let relation = Relation {
            columns: Columns::new(source.clone(), columns),
            is_view: table.is_view,
            primary_key: table.primary_key,
            insertable: writable & INSERT != 0,
            updatable: writable & UPDATE != 0,
            deletable: writable & DELETE != 0,
            handlers: Vec::new(),
        };
        catalog.schemas.entry(schema).or_default().relations.insert(name, relation);
    }
}

/// Of two handlers for one media type the later counts.
fn add_handler(catalog: &mut Catalog, (domain, schema, name, row_schema, row): HandlerText) {
    let media = MediaDomain::named(&domain);
    let TypeName(aggregate) = qualified(&schema, &name);
    match (row_schema, row) {
        (Some(schema), Some(relation)) => {
            let row = Some(qualified(&schema, &relation));
            let known = catalog.schemas.get_mut(&schema).and_then(|known| known.relations.get_mut(&relation));
            if let Some(known) = known {
                known.handlers.insert(0, Handler { media, aggregate, row });
            }
        }
        _ => catalog.handlers.insert(0, Handler { media, aggregate, row: None }),
    }
}

fn function(text: FunctionText) -> (Box<str>, Box<str>, Function) {
    let (schema, name, parameters, returns_set, composite, type_schema, type_name, volatility, settings) =
        text;
    let media = type_schema.is_empty().then(|| MediaDomain::named(&type_name));
    let returns = if composite {
        Returns::Composite { relation: type_name }
    } else if (&*type_schema, &*type_name) == ("pg_catalog", "void") && !returns_set {
        Returns::Void
    } else {
        Returns::Scalar
    };
    let parameters = parameters
        .into_iter()
        .map(|(name, type_shown, type_schema, type_name, required, variadic)| Parameter {
            name,
            type_name: qualified(&type_schema, &type_name),
            type_shown,
            required,
            variadic,
        })
        .collect();
    let function = Function {
        parameters,
        returns,
        returns_set,
        volatile: &*volatility == "v",
        settings: settings.unwrap_or_default(),
        media,
    };
    (schema, name, function)
}
