//! JSON in both directions: bodies as rows, rows as bodies.

use crate::catalog::{Function, Returns};
use crate::plan::{BodyForm, ColumnSource};
use crate::request::Payload;

use super::lines::LINE;
use super::{Bound, Sql, quote_literal};

/// One column read from JSON: its name, its type, and a function that makes its value of JSON.
type Typed<'t> = (&'t str, &'t str, Option<&'t str>);

impl<'a> Sql<'a> {
    /// `FROM` items that end in `pgrst_body`, whose columns are those of `source`.
    pub(super) fn body_rows(&mut self, source: &ColumnSource<'a>) -> &mut Self {
        let columns = source
            .columns
            .iter()
            .map(|column| (&*column.name, &*column.type_name.0, column.json_reader()))
            .collect::<Vec<_>>();
        let defaults = source.defaults.then(|| defaults_of(source));
        self.json_rows(source.payload, &columns, defaults.as_deref())
    }

    /// As [`Self::body_rows`]; `defaults` is an SQL object that each row is laid over.
    pub(super) fn json_rows(
        &mut self,
        payload: &'a Payload<'a>,
        columns: &[Typed<'_>],
        defaults: Option<&str>,
    ) -> &mut Self {
        let kind = if defaults.is_some() { "jsonb" } else { "json" };
        self.push("FROM (SELECT ")
            .bind(bound(payload))
            .push("::")
            .push(kind)
            .push(" AS json_data) pgrst_payload, ");
        // An unread body may be an object or an array; one of known shape is taken as it is.
        let (data, is_object) = match payload {
            Payload::Json { is_object, .. } => ("pgrst_payload.json_data".to_owned(), *is_object),
            Payload::Unread | Payload::Form(_) | Payload::Single(_) => {
                let data = format!(
                    "CASE {kind}_typeof(pgrst_payload.json_data) WHEN 'array' THEN pgrst_payload.json_data ELSE {kind}_build_array(pgrst_payload.json_data) END"
                );
                (data, false)
            }
        };
        let data = match (defaults, is_object) {
            (None, _) => data,
            (Some(defaults), true) => {
                self.push("LATERAL (SELECT ").push(defaults).push(" || ").push(&data);
                self.push(" AS val) pgrst_json_defs, ");
                "pgrst_json_defs.val".to_owned()
            }
            (Some(defaults), false) => {
                self.push("LATERAL (SELECT jsonb_agg(")
                    .push(defaults)
                    .push(" || elem) AS val FROM jsonb_array_elements(");
                self.push(&data).push(") elem) pgrst_json_defs, ");
                "pgrst_json_defs.val".to_owned()
            }
        };
        self.push("LATERAL (SELECT ");
        self.joined(", ", columns, |sql, (name, _, reader)| {
            match reader {
                Some(reader) => sql.push(reader).push("(").identifier(name).push(") AS ").identifier(name),
                None => sql.identifier(name),
            };
        });
        self.push(" FROM ");
        match (columns.is_empty(), is_object) {
            (true, true) => self.push("(VALUES (1)) _"),
            (true, false) => self.push(kind).push("_array_elements(").push(&data).push(") _"),
            (false, _) => {
                self.push(kind)
                    .push(if is_object { "_to_record(" } else { "_to_recordset(" })
                    .push(&data)
                    .push(") AS _(");
                self.joined(", ", columns, |sql, (name, type_name, reader)| {
                    sql.identifier(name).push(" ").push(if reader.is_some() { "json" } else { type_name });
                });
                self.push(")")
            }
        };
        self.push(") pgrst_body")
    }

    /// The aggregate over `_t` that makes the body, or a null.
    pub(super) fn body(&mut self, form: BodyForm<'_>, function: Option<&Function>) -> &mut Self {
        let (value, one) = match function {
            Some(function) if function.returns == Returns::Void => return self.push("null::text"),
            Some(function) => {
                (if function.returns_scalar() { "_t.pgrst_scalar" } else { "_t" }, function.returns_one())
            }
            None => ("_t", false),
        };
        match form {
            BodyForm::None => self.push("null::text"),
            BodyForm::Array { stripped } => {
                let (index, empty) = if one { ("->0", "null") } else { ("", "[]") };
                self.json_body(value, stripped, index, empty)
            }
            BodyForm::Object { stripped } => self.json_body(value, stripped, "->0", "null"),
            BodyForm::GeoJson => self.push(
                "json_build_object('type', 'FeatureCollection', 'features', coalesce(json_agg(ST_AsGeoJSON(_t)::json), '[]'))",
            ),
            BodyForm::Lines => self
                .push("coalesce(string_agg(")
                .push(LINE[0])
                .push(value)
                .push(LINE[1])
                .push(", ''), '')"),
            BodyForm::Csv => self.push(concat!(
                "(SELECT coalesce(string_agg(a.k, ','), '') FROM (SELECT json_object_keys(r)::text AS k ",
                "FROM (SELECT row_to_json(hh) AS r FROM pgrst_rows AS hh LIMIT 1) s) a) || E'\\n' || ",
                "coalesce(string_agg(substring(_t::text, 2, length(_t::text) - 2), E'\\n'), '')"
            )),
            BodyForm::Handled(handler) => {
                self.push(&handler.aggregate).push("(").push(if one { value } else { "_t" });
                if let Some(row) = &handler.row {
                    self.push("::").push(&row.0);
                }
                self.push(")")
            }
            BodyForm::Raw => self.push("_t.pgrst_scalar"),
        }
    }

    fn json_body(&mut self, value: &str, stripped: bool, index: &str, empty: &str) -> &mut Self {
        self.push("coalesce(");
        if stripped {
            self.push("json_strip_nulls(");
        }
        self.push("json_agg(").push(value).push(")").push(index);
        if stripped {
            self.push(")");
        }
        self.push(", '").push(empty).push("')")
    }
}

/// The payload as a parameter.
pub(super) fn bound<'a>(payload: &'a Payload<'a>) -> Bound<'a> {
    match payload {
        Payload::Json { text, .. } => Bound::Text(text.as_ref().into()),
        Payload::Unread => Bound::Body,
        Payload::Single(bytes) => Bound::Bytes(bytes),
        // A form's fields are bound one by one; as a whole it is an empty object.
        Payload::Form(_) => Bound::Text("{}".into()),
    }
}

fn defaults_of(source: &ColumnSource<'_>) -> String {
    let members = source
        .columns
        .iter()
        .filter_map(|column| Some(format!("{}, {}", quote_literal(&column.name), column.default.as_deref()?)))
        .collect::<Vec<_>>();
    format!("jsonb_build_object({})", members.join(", "))
}
