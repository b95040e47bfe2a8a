//! The description as OpenAPI 3.1, made of the one as Swagger 2.0.
//!
//! Bodies leave the parameters, types go into schemas, media types to where they are sent, and columns
//! that are not required may be null, which Swagger could not say. Not in PostgREST; asked for by the
//! version in `Accept`.

use serde_json::{Map, Value, json};

/// The media type of a representation of rows, where an operation names none.
const JSON: &str = "application/json";

/// `swagger`, a document of this module's sibling, as OpenAPI 3.1.
pub(super) fn upgraded(mut swagger: Value) -> Value {
    let mut parameters = Map::new();
    let mut bodies = Map::new();
    for (name, parameter) in members(&mut swagger, "parameters") {
        if parameter["in"] == "body" {
            bodies.insert(name, body(parameter, &media_types(&swagger["consumes"])));
        } else {
            parameters.insert(component(&name), parameter_with_schema(parameter));
        }
    }
    let produced = media_types(&swagger["produces"]);
    let consumed = media_types(&swagger["consumes"]);
    let paths = members(&mut swagger, "paths").into_iter().map(|(path, operations)| {
        let operations = object(operations).into_iter().map(|(method, operation)| {
            (method, upgraded_operation(operation, &bodies, &consumed, &produced))
        });
        (path, Value::Object(operations.collect()))
    });
    let paths = paths.collect::<Map<_, _>>();
    let schemas = members(&mut swagger, "definitions").into_iter();
    let schemas = schemas.map(|(name, schema)| (component(&name), row(schema))).collect::<Map<_, _>>();
    let text = |member: &str| swagger[member].as_str().unwrap_or("").to_owned();
    let scheme = swagger["schemes"][0].as_str().unwrap_or("http");
    let base = text("basePath");
    let mut document = json!({
        "openapi": "3.1.0",
        "info": swagger["info"],
        "externalDocs": swagger["externalDocs"],
        "servers": [{ "url": format!("{scheme}://{}{}", text("host"), base.trim_end_matches('/')) }],
        "paths": paths,
        "components": { "schemas": schemas, "parameters": parameters },
    });
    if !swagger["security"].is_null() {
        document["security"] = swagger["security"].take();
        document["components"]["securitySchemes"] =
            json!({ "JWT": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } });
    }
    with_new_references(&mut document);
    document
}

fn members(document: &mut Value, name: &str) -> Map<String, Value> {
    object(document[name].take())
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

fn media_types(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A name that components may have: others than letters, digits, `.`, `-` and `_` are spelled out.
fn component(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_') {
            text.push(character);
        } else {
            text.push_str(&format!(".x{:X}.", character as u32));
        }
    }
    text
}

/// What of a parameter is about its value belongs to a schema.
fn parameter_with_schema(parameter: Value) -> Value {
    let mut schema = Map::new();
    let mut kept = Map::new();
    for (name, value) in object(parameter) {
        match name.as_str() {
            "type" | "format" | "enum" | "default" | "items" => {
                schema.insert(name, value);
            }
            // Several values are several parameters, which is what OpenAPI 3 takes an array for.
            "collectionFormat" => {}
            _ => {
                kept.insert(name, value);
            }
        }
    }
    kept.insert("schema".to_owned(), Value::Object(schema));
    Value::Object(kept)
}

fn body(mut parameter: Value, consumed: &[String]) -> Value {
    let schema = parameter["schema"].take();
    let rows = schema["$ref"].is_string();
    let content = consumed.iter().filter(|media| rows || *media == JSON).map(|media| {
        // One row or several.
        let schema = match (rows, media.as_str()) {
            (true, JSON) => json!({ "oneOf": [schema, { "type": "array", "items": schema }] }),
            (true, "text/csv") => json!({ "type": "string" }),
            _ => schema.clone(),
        };
        (media.clone(), json!({ "schema": schema }))
    });
    let content = content.collect::<Map<_, _>>();
    let mut body = json!({ "content": content });
    if parameter["required"] == true {
        body["required"] = true.into();
    }
    body
}

fn upgraded_operation(
    mut operation: Value,
    bodies: &Map<String, Value>,
    consumed: &[String],
    produced: &[String],
) -> Value {
    let named = media_types(&operation["produces"]);
    let produced = if named.is_empty() { produced } else { &named };
    let mut kept = Vec::new();
    let mut request = None;
    for parameter in operation["parameters"].take().as_array_mut().into_iter().flatten() {
        let parameter = parameter.take();
        let shared = parameter["$ref"].as_str().and_then(|target| target.strip_prefix("#/parameters/"));
        match shared {
            Some(name) if bodies.contains_key(name) => request = bodies.get(name).cloned(),
            Some(name) => {
                kept.push(json!({ "$ref": format!("#/components/parameters/{}", component(name)) }))
            }
            None if parameter["in"] == "body" => request = Some(body(parameter, consumed)),
            None => kept.push(parameter_with_schema(parameter)),
        }
    }
    for response in operation["responses"].as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
        let schema = response["schema"].take();
        if let Some(response) = response.as_object_mut() {
            response.remove("schema");
        }
        if !schema.is_null() {
            let content = produced.iter().map(|media| {
                let schema = match media.as_str() {
                    "text/csv" => json!({ "type": "string" }),
                    media if media.contains("object") => schema["items"].clone(),
                    _ => schema.clone(),
                };
                (media.clone(), json!({ "schema": schema }))
            });
            response["content"] = Value::Object(content.collect());
        }
    }
    let mut operation = object(operation);
    operation.retain(|name, _| !matches!(name.as_str(), "produces" | "consumes" | "parameters"));
    if !kept.is_empty() {
        operation.insert("parameters".to_owned(), kept.into());
    }
    if let Some(request) = request {
        operation.insert("requestBody".to_owned(), request);
    }
    Value::Object(operation)
}

/// A relation's row: what is not required may be null.
fn row(mut schema: Value) -> Value {
    let required = media_types(&schema["required"]);
    for (name, property) in schema["properties"].as_object_mut().into_iter().flatten() {
        if required.contains(name) {
            continue;
        }
        if let Value::String(kind) = property["type"].take() {
            property["type"] = json!([kind, "null"]);
        } else if let Some(property) = property.as_object_mut() {
            property.remove("type");
        }
        if let Some(labels) = property.get_mut("enum").and_then(Value::as_array_mut) {
            labels.push(Value::Null);
        }
    }
    schema
}

/// Points every reference to a definition at where it has gone.
fn with_new_references(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                match value {
                    Value::String(target) if name == "$ref" => {
                        if let Some(definition) = target.strip_prefix("#/definitions/") {
                            *target = format!("#/components/schemas/{}", component(definition));
                        }
                    }
                    _ => with_new_references(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(with_new_references),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;

    use super::upgraded;

    const SWAGGER: &str = r##"{
    "swagger": "2.0",
    "info": { "title": "t", "description": "d", "version": "1" },
    "externalDocs": { "url": "u" },
    "host": "localhost:3000", "basePath": "/", "schemes": ["http"],
    "consumes": ["application/json", "text/csv"],
    "produces": ["application/json", "application/vnd.pgrst.object+json", "text/csv"],
    "paths": {
        "/odd name": {
            "get": {
                "tags": ["odd name"],
                "parameters": [{ "$ref": "#/parameters/rowFilter.odd name.id" }, { "$ref": "#/parameters/limit" }],
                "responses": {
                    "200": { "description": "OK", "schema": { "type": "array", "items": { "$ref": "#/definitions/odd name" } } },
                    "206": { "description": "Partial Content" }
                }
            },
            "post": { "parameters": [{ "$ref": "#/parameters/body.odd name" }], "responses": { "201": { "description": "Created" } } }
        },
        "/rpc/f": {
            "get": { "produces": ["application/json"], "responses": { "200": { "description": "OK" } },
                "parameters": [{ "name": "a", "required": true, "in": "query", "type": "array", "items": { "type": "string" }, "collectionFormat": "multi" }] },
            "post": { "responses": { "200": { "description": "OK" } },
                "parameters": [{ "required": true, "in": "body", "name": "args", "schema": { "type": "object" } }] }
        }
    },
    "definitions": { "odd name": {
        "type": "object", "required": ["id"],
        "properties": { "id": { "type": "integer", "format": "int32" }, "mood": { "type": "string", "enum": ["calm"] }, "data": { "format": "jsonb" } }
    } },
    "parameters": {
        "limit": { "name": "limit", "in": "query", "required": false, "type": "string", "description": "x" },
        "rowFilter.odd name.id": { "name": "id", "in": "query", "required": false, "type": "string" },
        "body.odd name": { "name": "odd name", "in": "body", "required": false, "schema": { "$ref": "#/definitions/odd name" } }
    },
    "security": [{ "JWT": [] }]
}"##;

    #[test]
    fn everything_has_its_new_place() {
        let swagger = serde_json::from_str(SWAGGER).expect("a document");
        expect_file!["three.json"].assert_eq(&format!("{:#}\n", upgraded(swagger)));
    }
}
