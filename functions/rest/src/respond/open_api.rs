//! `/`: the API described as Swagger 2.0, as far as the caller may use it.

use serde_json::{Map, Value, json};

use crate::problem::Problem;
use crate::request::Incoming;
use crate::sql::{Bound, Statement};

/// Relations and functions that the caller may touch, as one JSON text.
const DESCRIPTION: &str = r#"
select json_build_object(
  'comment', pg_catalog.obj_description(n.oid, 'pg_namespace'),
  'relations', coalesce((
    select json_agg(json_build_object(
      'name', c.relname,
      'comment', pg_catalog.obj_description(c.oid, 'pg_class'),
      'insertable', c.relkind in ('r', 'p') or pg_catalog.pg_relation_is_updatable(c.oid, true) & 8 = 8,
      'updatable', c.relkind in ('r', 'p') or pg_catalog.pg_relation_is_updatable(c.oid, true) & 4 = 4,
      'deletable', c.relkind in ('r', 'p') or pg_catalog.pg_relation_is_updatable(c.oid, true) & 16 = 16,
      'columns', coalesce((
        select json_agg(json_build_object(
          'name', a.attname,
          'comment', pg_catalog.col_description(c.oid, a.attnum),
          'type', pg_catalog.format_type(coalesce(nullif(t.typbasetype, 0), t.oid), null),
          'length', case when t.typname in ('varchar', 'bpchar') and a.atttypmod > 4 then a.atttypmod - 4 end,
          'required', a.attnotnull and d.adbin is null and a.attidentity = '',
          'default', pg_catalog.pg_get_expr(d.adbin, d.adrelid),
          'enum', (select json_agg(e.enumlabel order by e.enumsortorder) from pg_catalog.pg_enum e where e.enumtypid = t.oid),
          'primary', exists (
            select 1 from pg_catalog.pg_constraint k
            where k.conrelid = c.oid and k.contype = 'p' and a.attnum = any (k.conkey)
          ),
          'references', (
            select json_build_array(f.relname, fa.attname)
            from pg_catalog.pg_constraint k
            join pg_catalog.pg_class f on f.oid = k.confrelid
            join pg_catalog.pg_attribute fa on fa.attrelid = f.oid and fa.attnum = k.confkey[1]
            where k.conrelid = c.oid and k.contype = 'f' and k.conkey = array[a.attnum]
            order by k.conname limit 1
          )
        ) order by a.attnum)
        from pg_catalog.pg_attribute a
        join pg_catalog.pg_type t on t.oid = a.atttypid
        left join pg_catalog.pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      ), '[]')
    ) order by c.relname)
    from pg_catalog.pg_class c
    where c.relnamespace = n.oid and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
      and (pg_catalog.has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE')
        or pg_catalog.has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE'))
  ), '[]'),
  'functions', coalesce((
    select json_agg(json_build_object(
      'name', p.proname,
      'comment', pg_catalog.obj_description(p.oid, 'pg_proc'),
      'safe', p.provolatile <> 'v',
      'parameters', coalesce((
        select json_agg(json_build_object(
          'name', p.proargnames[i], 'type', pg_catalog.format_type(p.proargtypes[i - 1], null),
          'required', i <= p.pronargs - p.pronargdefaults) order by i)
        from generate_series(1, p.pronargs) i
        where coalesce(p.proargnames[i], '') <> ''
      ), '[]')
    ) order by p.proname, p.oid)
    from pg_catalog.pg_proc p
    where p.pronamespace = n.oid and p.prokind = 'f'
      and p.prorettype not in ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
      and pg_catalog.has_function_privilege(p.oid, 'execute')
  ), '[]')
)::text
from pg_catalog.pg_namespace n
where n.nspname = $1
"#;

pub(crate) fn statement(schema: &str) -> Statement<'_> {
    Statement { sql: DESCRIPTION.to_owned(), parameters: vec![Bound::Text(schema.into())] }
}

/// The document for a description in JSON.
pub(crate) fn document(description: &str, incoming: &Incoming<'_>, schema: &str) -> Result<String, Problem> {
    let unreadable = |_| Problem::internal("The description of the schema is not readable.");
    let description: Value = serde_json::from_str(description).map_err(unreadable)?;
    let mut paths = Map::new();
    let mut definitions = Map::new();
    let mut parameters = shared_parameters();
    paths.insert("/".to_owned(), root_path());
    for relation in list(&description, "relations") {
        let name = text(relation, "name");
        for column in list(relation, "columns") {
            let column_name = text(column, "name");
            parameters.insert(
                format!("rowFilter.{name}.{column_name}"),
                json!({ "name": column_name, "required": false, "in": "query", "type": "string" }),
            );
        }
        parameters.insert(
            format!("body.{name}"),
            json!({
                "name": name, "description": name, "required": false, "in": "body",
                "schema": { "$ref": format!("#/definitions/{name}") },
            }),
        );
        definitions.insert(name.to_owned(), definition(relation));
        paths.insert(format!("/{name}"), relation_path(relation));
    }
    for function in list(&description, "functions") {
        paths.insert(format!("/rpc/{}", text(function, "name")), function_path(function));
    }
    let title = description.get("comment").and_then(Value::as_str);
    let host = incoming.header("x-forwarded-host").or_else(|| incoming.header("host")).unwrap_or("localhost");
    let scheme = incoming.header("x-forwarded-proto").unwrap_or("http");
    Ok(json!({
        "swagger": "2.0",
        "info": {
            "title": title.and_then(|title| title.lines().next()).unwrap_or("PostgREST API"),
            "description": title.unwrap_or(schema),
            "version": env!("CARGO_PKG_VERSION"),
        },
        "host": host,
        "basePath": "/",
        "schemes": [scheme],
        "consumes": MEDIA_TYPES,
        "produces": MEDIA_TYPES,
        "paths": paths,
        "definitions": definitions,
        "parameters": parameters,
    })
    .to_string())
}

const MEDIA_TYPES: [&str; 6] = [
    "application/json",
    "application/vnd.pgrst.object+json;nulls=stripped",
    "application/vnd.pgrst.object+json",
    "text/csv",
    "application/vnd.pgrst.array+json;nulls=stripped",
    "application/geo+json",
];

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(false)
}

fn root_path() -> Value {
    json!({ "get": {
        "tags": ["Introspection"],
        "summary": "OpenAPI description (this document)",
        "produces": ["application/openapi+json", "application/json"],
        "responses": { "200": { "description": "OK" } },
    } })
}

fn relation_path(relation: &Value) -> Value {
    let name = text(relation, "name");
    let reference = |target: String| json!({ "$ref": format!("#/parameters/{target}") });
    let filters = list(relation, "columns")
        .iter()
        .map(|column| reference(format!("rowFilter.{name}.{}", text(column, "name"))))
        .collect::<Vec<_>>();
    let with = |others: &[&str], filtered: bool| {
        let filters = filters.iter().filter(|_| filtered).cloned();
        filters.chain(others.iter().map(|other| reference(other.replace("{name}", name)))).collect::<Vec<_>>()
    };
    let operation = |parameters: Vec<Value>, responses: Value| {
        let mut operation = json!({ "tags": [name], "parameters": parameters, "responses": responses });
        if let Some(comment) = relation.get("comment").and_then(Value::as_str) {
            let (summary, rest) = comment.split_once('\n').unwrap_or((comment, ""));
            operation["summary"] = summary.into();
            if !rest.trim().is_empty() {
                operation["description"] = rest.trim().into();
            }
        }
        operation
    };
    let reads = ["select", "order", "range", "rangeUnit", "offset", "limit", "preferCount"];
    let rows = json!({
        "200": { "description": "OK",
            "schema": { "type": "array", "items": { "$ref": format!("#/definitions/{name}") } } },
        "206": { "description": "Partial Content" },
    });
    let mut path = json!({ "get": operation(with(&reads, true), rows) });
    if flag(relation, "insertable") {
        let created = json!({ "201": { "description": "Created" } });
        path["post"] = operation(with(&["body.{name}", "select", "preferPost"], false), created);
    }
    let changed = json!({ "204": { "description": "No Content" } });
    if flag(relation, "updatable") {
        path["patch"] = operation(with(&["body.{name}", "preferReturn"], true), changed.clone());
    }
    if flag(relation, "deletable") {
        path["delete"] = operation(with(&["preferReturn"], true), changed);
    }
    path
}

fn function_path(function: &Value) -> Value {
    let name = text(function, "name");
    let tag = format!("(rpc) {name}");
    let parameters = list(function, "parameters");
    let properties = parameters
        .iter()
        .map(|parameter| {
            let sql_type = text(parameter, "type");
            (text(parameter, "name").to_owned(), json!({ "format": sql_type, "type": json_type(sql_type) }))
        })
        .collect::<Map<_, _>>();
    let required = parameters.iter().filter(|parameter| flag(parameter, "required"));
    let mut schema = json!({ "type": "object", "properties": properties });
    let required = required.map(|parameter| text(parameter, "name")).collect::<Vec<_>>();
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    let responses = json!({ "200": { "description": "OK" } });
    let body = json!({ "required": true, "in": "body", "name": "args", "schema": schema });
    let produces = &MEDIA_TYPES[..3];
    let mut path = json!({ "post": {
        "tags": [tag], "produces": produces, "parameters": [body], "responses": responses,
    } });
    if flag(function, "safe") {
        let query = parameters
            .iter()
            .map(|parameter| {
                let sql_type = text(parameter, "type");
                json!({
                    "name": text(parameter, "name"), "required": flag(parameter, "required"), "in": "query",
                    "format": sql_type, "type": "string",
                })
            })
            .collect::<Vec<_>>();
        path["get"] =
            json!({ "tags": [tag], "produces": produces, "parameters": query, "responses": responses });
    }
    if let Some(comment) = function.get("comment").and_then(Value::as_str) {
        path["post"]["summary"] = comment.lines().next().unwrap_or("").into();
    }
    path
}

fn definition(relation: &Value) -> Value {
    let columns = list(relation, "columns");
    let properties = columns
        .iter()
        .map(|column| (text(column, "name").to_owned(), property(column)))
        .collect::<Map<_, _>>();
    let mut definition = json!({ "type": "object", "properties": properties });
    let required =
        columns.iter().filter(|column| flag(column, "required")).map(|column| text(column, "name"));
    let required = required.collect::<Vec<_>>();
    if !required.is_empty() {
        definition["required"] = required.into();
    }
    if let Some(comment) = relation.get("comment").and_then(Value::as_str) {
        definition["description"] = comment.into();
    }
    definition
}

fn property(column: &Value) -> Value {
    let sql_type = text(column, "type");
    let mut property = Map::new();
    let mut notes = Vec::new();
    if flag(column, "primary") {
        notes.push("This is a Primary Key.<pk/>".to_owned());
    }
    if let [table, target] = list(column, "references") {
        let (table, target) = (table.as_str().unwrap_or(""), target.as_str().unwrap_or(""));
        notes.push(format!(
            "This is a Foreign Key to `{table}.{target}`.<fk table='{table}' column='{target}'/>"
        ));
    }
    let comment = column.get("comment").and_then(Value::as_str);
    let notes = (!notes.is_empty()).then(|| format!("Note:\n{}", notes.join("\n")));
    let description =
        [comment.map(str::to_owned), notes].into_iter().flatten().collect::<Vec<_>>().join("\n\n");
    if !description.is_empty() {
        property.insert("description".to_owned(), description.into());
    }
    property.insert("format".to_owned(), sql_type.into());
    match json_type(sql_type) {
        Value::Null => {}
        json_type => {
            property.insert("type".to_owned(), json_type);
        }
    }
    if let Some(element) = sql_type.strip_suffix("[]") {
        property.insert("items".to_owned(), json!({ "type": json_type(element) }));
    }
    for (from, to) in [("default", "default"), ("length", "maxLength"), ("enum", "enum")] {
        match column.get(from) {
            None | Some(Value::Null) => {}
            Some(value) => {
                property.insert(to.to_owned(), value.clone());
            }
        }
    }
    Value::Object(property)
}

/// Null for JSON, which is of any type.
fn json_type(sql_type: &str) -> Value {
    match sql_type {
        "json" | "jsonb" => Value::Null,
        "boolean" => "boolean".into(),
        "smallint" | "integer" | "bigint" => "integer".into(),
        "numeric" | "real" | "double precision" => "number".into(),
        array if array.ends_with("[]") => "array".into(),
        _ => "string".into(),
    }
}

fn shared_parameters() -> Map<String, Value> {
    let query = |name: &str, description: &str| json!({ "name": name, "description": description, "required": false, "in": "query", "type": "string" });
    let prefer = |values: &[&str]| {
        json!({
            "name": "Prefer", "description": "Preference", "required": false, "in": "header", "type": "string", "enum": values,
        })
    };
    let header = |name: &str, description: &str| json!({ "name": name, "description": description, "required": false, "in": "header", "type": "string" });
    let mut unit = header("Range-Unit", "Limiting and Pagination");
    unit["default"] = "items".into();
    [
        ("select", query("select", "Filtering Columns")),
        ("order", query("order", "Ordering")),
        ("offset", query("offset", "Limiting and Pagination")),
        ("limit", query("limit", "Limiting and Pagination")),
        ("on_conflict", query("on_conflict", "On Conflict")),
        ("range", header("Range", "Limiting and Pagination")),
        ("rangeUnit", unit),
        ("preferReturn", prefer(&["return=representation", "return=minimal", "return=none"])),
        ("preferCount", prefer(&["count=none"])),
        (
            "preferPost",
            prefer(&[
                "return=representation",
                "return=minimal",
                "return=none",
                "resolution=ignore-duplicates",
                "resolution=merge-duplicates",
            ]),
        ),
    ]
    .into_iter()
    .map(|(name, parameter)| (name.to_owned(), parameter))
    .collect()
}
