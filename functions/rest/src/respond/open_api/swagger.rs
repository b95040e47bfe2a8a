//! Postgres' types in Swagger's words.

use serde_json::{Value, json};

/// Nothing for JSON, which is of any type.
pub(super) fn kind(type_name: &str) -> Option<&'static str> {
    match type_name {
        "json" | "jsonb" => None,
        "boolean" => Some("boolean"),
        "smallint" | "integer" | "bigint" => Some("integer"),
        "numeric" | "real" | "double precision" => Some("number"),
        array if array.ends_with("[]") => Some("array"),
        _ => Some("string"),
    }
}

pub(super) fn format(type_name: &str) -> &str {
    match type_name {
        "smallint" | "integer" => "int32",
        "bigint" => "int64",
        other => other,
    }
}

/// What an array is made of.
pub(super) fn element(type_name: &str) -> Option<&str> {
    type_name.strip_suffix("[]")
}

/// `format`, `type` and, for arrays, `items`.
pub(super) fn schema(type_name: &str) -> Value {
    let mut schema = json!({ "format": format(type_name) });
    if let Some(kind) = kind(type_name) {
        schema["type"] = kind.into();
    }
    if let Some(element) = element(type_name) {
        schema["items"] = kind(element).map_or_else(|| json!({}), |kind| json!({ "type": kind }));
    }
    schema
}

/// A default as a value, if it is one: an expression of text stays an expression.
pub(super) fn default(type_name: &str, expression: &str) -> Option<Value> {
    if kind(type_name) != Some("string") {
        return serde_json::from_str(expression).ok();
    }
    let plain = type_name.rsplit('.').next().unwrap_or(type_name);
    let constant =
        [type_name, plain].into_iter().find_map(|name| expression.strip_suffix(name)?.strip_suffix("::"));
    let text = constant.map_or(expression, |constant| constant.trim_matches('\''));
    // What would have to be escaped is left out, as PostgREST does.
    serde_json::from_str(&format!("\"{text}\"")).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::default;

    #[test]
    fn defaults_are_values_where_they_can_be() {
        for (type_name, expression, value) in [
            ("text", "'default'::text", json!("default")),
            ("boolean", "false", json!(false)),
            ("integer", "42", json!(42)),
            ("numeric", "42.2", json!(42.2)),
            ("date", "'1900-01-01'::date", json!("1900-01-01")),
            ("test.mood", "'calm'::mood", json!("calm")),
            ("timestamp with time zone", "now()", json!("now()")),
            ("integer", "nextval('s'::regclass)", Value::Null),
            ("text[]", "'{}'::text[]", Value::Null),
            ("text", "'say \"hi\"'::text", Value::Null),
        ] {
            assert_eq!(default(type_name, expression).unwrap_or_default(), value, "{expression}");
        }
    }
}
