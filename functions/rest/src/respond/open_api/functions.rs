//! Functions as paths.

use serde_json::{Map, Value, json};

use super::description::{FunctionText, ParameterText};
use super::{swagger, told};

/// Media types that calls answer in.
const PRODUCED: [&str; 3] = [
    "application/json",
    "application/vnd.pgrst.object+json;nulls=stripped",
    "application/vnd.pgrst.object+json",
];

pub(super) fn path(function: &FunctionText) -> Value {
    let operation = |parameters: Vec<Value>| {
        let mut operation = json!({
            "tags": [format!("(rpc) {}", function.name)],
            "produces": PRODUCED,
            "responses": { "200": { "description": "OK" } },
        });
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        told(operation, function.comment.as_deref())
    };
    let body = json!({ "required": true, "in": "body", "name": "args", "schema": arguments(function) });
    let mut path = json!({ "post": operation(vec![body, json!({ "$ref": "#/parameters/preferParams" })]) });
    if function.safe {
        path["get"] = operation(function.parameters.iter().map(query_parameter).collect());
    }
    path
}

/// The object that a call by POST takes.
fn arguments(function: &FunctionText) -> Value {
    let mut schema = json!({ "type": "object" });
    if let Some(comment) = &function.comment {
        schema["description"] = comment.as_str().into();
    }
    let parameters = &function.parameters;
    if !parameters.is_empty() {
        let properties = parameters
            .iter()
            .map(|parameter| (parameter.name.clone(), swagger::schema(&parameter.type_name)));
        schema["properties"] = Value::Object(properties.collect::<Map<_, _>>());
    }
    let required = parameters.iter().filter(|parameter| parameter.required);
    let required = required.map(|parameter| parameter.name.as_str()).collect::<Vec<_>>();
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

fn query_parameter(parameter: &ParameterText) -> Value {
    let type_name = &parameter.type_name;
    let mut query = json!({ "name": parameter.name, "required": parameter.required, "in": "query" });
    let kind = swagger::kind(type_name);
    match swagger::element(type_name).filter(|_| parameter.variadic) {
        Some(element) => {
            let mut items = json!({ "format": swagger::format(element) });
            if let Some(kind) = swagger::kind(element) {
                items["type"] = kind.into();
            }
            query["type"] = kind.unwrap_or("string").into();
            query["items"] = items;
            query["collectionFormat"] = "multi".into();
        }
        None => {
            query["format"] = swagger::format(type_name).into();
            // An array is written as one text, `{a,b}`, and JSON too.
            query["type"] = kind.filter(|kind| *kind != "array").unwrap_or("string").into();
        }
    }
    query
}
