//! Values on their way between a script and the database.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use deno_core::convert::Uint8Array;
use deno_core::{FromV8, ToV8, v8};
use deno_error::JsErrorBox;
use isobase_database::{
    AccessMode, Column, Content, Document, Error, Identity, Lines, Parameter, Session, Snapshot, Statement,
    Table, Value,
};

/// Integers beyond it lose digits in a JavaScript number.
const SAFE_INTEGER_MAX: i64 = (1 << 53) - 1;

/// The values of `$1`, `$2`, …, from an array that `js/database.js` has prepared.
pub(crate) struct Parameters(pub(crate) Vec<Parameter>);

impl<'a> FromV8<'a> for Parameters {
    type Error = JsErrorBox;

    fn from_v8<'i>(
        scope: &mut v8::PinScope<'a, 'i>,
        value: v8::Local<'a, v8::Value>,
    ) -> Result<Self, JsErrorBox> {
        elements(scope, value, parameter).map(Self)
    }
}

/// Statements as `[sql, parameters]` each.
pub(super) struct Statements(pub(super) Vec<Statement>);

impl<'a> FromV8<'a> for Statements {
    type Error = JsErrorBox;

    fn from_v8<'i>(
        scope: &mut v8::PinScope<'a, 'i>,
        value: v8::Local<'a, v8::Value>,
    ) -> Result<Self, JsErrorBox> {
        let statements = elements(scope, value, |scope, pair| {
            let pair = array(pair)?;
            let sql = element(scope, pair, 0)?.to_rust_string_lossy(scope);
            let parameters = element(scope, pair, 1)?;
            Ok(Statement::new(sql, elements(scope, parameters, parameter)?))
        });
        statements.map(Self)
    }
}

fn parameter<'a, 'i>(
    scope: &mut v8::PinScope<'a, 'i>,
    value: v8::Local<'a, v8::Value>,
) -> Result<Parameter, JsErrorBox> {
    if value.is_null_or_undefined() {
        return Ok(Parameter::Null);
    }
    if value.is_boolean() {
        return Ok(Parameter::Boolean(value.is_true()));
    }
    if let Ok(text) = v8::Local::<v8::String>::try_from(value) {
        return Ok(Parameter::Text(Bytes::from(text.to_rust_string_lossy(scope))));
    }
    if let Ok(number) = v8::Local::<v8::Number>::try_from(value) {
        return Ok(of_number(number.value()));
    }
    if let Ok(integer) = v8::Local::<v8::BigInt>::try_from(value) {
        return Ok(match integer.i64_value() {
            (integer, true) => Parameter::Int64(integer),
            (_, false) => {
                let digits =
                    integer.to_string(scope).ok_or_else(|| JsErrorBox::type_error("a BigInt too long"))?;
                Parameter::Text(Bytes::from(digits.to_rust_string_lossy(scope)))
            }
        });
    }
    if let Ok(view) = v8::Local::<v8::Uint8Array>::try_from(value) {
        let mut bytes = vec![0; view.byte_length()];
        view.copy_contents(&mut bytes);
        return Ok(Parameter::Bytes(bytes.into()));
    }
    Err(JsErrorBox::type_error(
        "a parameter is null, a boolean, number, bigint, string, Date, array, object or bytes",
    ))
}

#[allow(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
fn of_number(number: f64) -> Parameter {
    let is_whole = number.fract() == 0.0 && !(number == 0.0 && number.is_sign_negative());
    if is_whole && number.abs() <= f64::from(i32::MAX) {
        Parameter::Int32(number as i32)
    } else if is_whole && number.abs() <= SAFE_INTEGER_MAX as f64 {
        Parameter::Int64(number as i64)
    } else {
        Parameter::Float64(number)
    }
}

/// `[identity, access mode, timeout in ms or -1, setting, value, …]`.
pub(super) struct SessionOptions(pub(super) Session);

impl<'a> FromV8<'a> for SessionOptions {
    type Error = JsErrorBox;

    fn from_v8<'i>(
        scope: &mut v8::PinScope<'a, 'i>,
        value: v8::Local<'a, v8::Value>,
    ) -> Result<Self, JsErrorBox> {
        let flat = array(value)?;
        let mut text = |index| -> Result<String, JsErrorBox> {
            Ok(element(scope, flat, index)?.to_rust_string_lossy(scope))
        };
        let identity = match text(0)?.as_str() {
            "caller" => Identity::Caller,
            "service" => Identity::Service,
            other => {
                return Err(JsErrorBox::type_error(format!(
                    "identity is \"caller\" or \"service\", not {other:?}"
                )));
            }
        };
        let access_mode = match text(1)?.as_str() {
            "read-write" => AccessMode::ReadWrite,
            "read-only" => AccessMode::ReadOnly,
            other => {
                let text = format!("accessMode is \"read-write\" or \"read-only\", not {other:?}");
                return Err(JsErrorBox::type_error(text));
            }
        };
        let settings = (3..flat.length().saturating_sub(1)).step_by(2);
        let settings =
            settings.map(|index| Ok((text(index)?, text(index + 1)?))).collect::<Result<_, JsErrorBox>>()?;
        let milliseconds = element(scope, flat, 2)?.number_value(scope).unwrap_or(-1.0);
        let timeout =
            (milliseconds >= 0.0).then(|| Duration::try_from_secs_f64(milliseconds / 1000.0).ok()).flatten();
        Ok(Self(Session { identity, access_mode, settings, timeout }))
    }
}

fn array(value: v8::Local<'_, v8::Value>) -> Result<v8::Local<'_, v8::Array>, JsErrorBox> {
    v8::Local::try_from(value).map_err(|_| JsErrorBox::type_error("parameters are an array"))
}

/// What `make` makes of each element of an array.
fn elements<'a, 'i, T>(
    scope: &mut v8::PinScope<'a, 'i>,
    value: v8::Local<'a, v8::Value>,
    make: impl Fn(&mut v8::PinScope<'a, 'i>, v8::Local<'a, v8::Value>) -> Result<T, JsErrorBox>,
) -> Result<Vec<T>, JsErrorBox> {
    let values = array(value)?;
    let made = (0..values.length()).map(|index| {
        let value = element(scope, values, index)?;
        make(scope, value)
    });
    made.collect()
}

fn element<'a>(
    scope: &mut v8::PinScope<'a, '_>,
    array: v8::Local<'a, v8::Array>,
    index: u32,
) -> Result<v8::Local<'a, v8::Value>, JsErrorBox> {
    array.get_index(scope, index).ok_or_else(|| JsErrorBox::type_error("an element cannot be read"))
}

/// `[columns, rows, affected]`.
pub(super) struct TableValue(pub(super) Table);

impl<'a> ToV8<'a> for TableValue {
    type Error = JsErrorBox;

    fn to_v8<'i>(self, scope: &mut v8::PinScope<'a, 'i>) -> Result<v8::Local<'a, v8::Value>, JsErrorBox> {
        let Table { columns, rows, affected } = self.0;
        let columns = names(scope, &columns)?;
        let rows = Rows(rows).to_v8(scope)?;
        #[allow(clippy::cast_precision_loss, reason = "more rows than 2^53 do not exist")]
        let affected = v8::Number::new(scope, affected as f64).into();
        Ok(v8::Array::new_with_elements(scope, &[columns, rows, affected]).into())
    }
}

/// `[head, body]`.
pub(super) struct DocumentValue {
    head: Vec<Value>,
    body: Option<Bytes>,
}

impl DocumentValue {
    /// An isolate has no use for a body that it does not hold.
    pub(super) async fn read(document: Document) -> Result<Self, Error> {
        Ok(Self { head: document.head, body: read(document.body).await? })
    }
}

async fn read(body: Option<Content>) -> Result<Option<Bytes>, Error> {
    match body {
        Some(mut body) => Ok(Some(body.read().await?)),
        None => Ok(None),
    }
}

/// `[head, body, rows]`.
pub(super) struct LinesValue {
    document: DocumentValue,
    rows: Option<u64>,
}

impl LinesValue {
    pub(super) async fn read(lines: Lines) -> Result<Self, Error> {
        let document = DocumentValue { head: lines.head, body: read(lines.body).await? };
        Ok(Self { document, rows: lines.rows })
    }
}

impl<'a> ToV8<'a> for LinesValue {
    type Error = JsErrorBox;

    fn to_v8<'i>(self, scope: &mut v8::PinScope<'a, 'i>) -> Result<v8::Local<'a, v8::Value>, JsErrorBox> {
        let [head, body] = self.document.values(scope)?;
        #[allow(clippy::cast_precision_loss, reason = "more rows than 2^53 do not exist")]
        let rows = match self.rows {
            Some(rows) => v8::Number::new(scope, rows as f64).into(),
            None => v8::null(scope).into(),
        };
        Ok(v8::Array::new_with_elements(scope, &[head, body, rows]).into())
    }
}

impl<'a> ToV8<'a> for DocumentValue {
    type Error = JsErrorBox;

    fn to_v8<'i>(self, scope: &mut v8::PinScope<'a, 'i>) -> Result<v8::Local<'a, v8::Value>, JsErrorBox> {
        let values = self.values(scope)?;
        Ok(v8::Array::new_with_elements(scope, &values).into())
    }
}

impl DocumentValue {
    fn values<'a>(
        self,
        scope: &mut v8::PinScope<'a, '_>,
    ) -> Result<[v8::Local<'a, v8::Value>; 2], JsErrorBox> {
        let head = row(scope, self.head)?;
        let body = match self.body {
            None => v8::null(scope).into(),
            Some(body) => bytes(scope, body)?,
        };
        Ok([head, body])
    }
}

/// One [`DocumentValue`] per statement.
pub(super) struct DocumentValues(Vec<DocumentValue>);

impl DocumentValues {
    pub(super) async fn read(documents: Vec<Document>) -> Result<Self, Error> {
        let mut values = Vec::with_capacity(documents.len());
        for document in documents {
            values.push(DocumentValue::read(document).await?);
        }
        Ok(Self(values))
    }
}

impl<'a> ToV8<'a> for DocumentValues {
    type Error = JsErrorBox;

    fn to_v8<'i>(self, scope: &mut v8::PinScope<'a, 'i>) -> Result<v8::Local<'a, v8::Value>, JsErrorBox> {
        let documents = self.0.into_iter().map(|document| document.to_v8(scope));
        let documents = documents.collect::<Result<Vec<_>, _>>()?;
        Ok(v8::Array::new_with_elements(scope, &documents).into())
    }
}

/// `[handle, columns]`.
pub(super) struct StreamHead {
    pub(super) handle: u32,
    pub(super) columns: Vec<Column>,
}

impl<'a> ToV8<'a> for StreamHead {
    type Error = JsErrorBox;

    fn to_v8<'i>(self, scope: &mut v8::PinScope<'a, 'i>) -> Result<v8::Local<'a, v8::Value>, JsErrorBox> {
        let handle = v8::Integer::new_from_unsigned(scope, self.handle).into();
        let columns = names(scope, &self.columns)?;
        Ok(v8::Array::new_with_elements(scope, &[handle, columns]).into())
    }
}

/// `[generation, text]`, or null.
pub(super) struct SnapshotValue(pub(super) Option<Arc<Snapshot>>);

impl<'a> ToV8<'a> for SnapshotValue {
    type Error = JsErrorBox;

    fn to_v8<'i>(self, scope: &mut v8::PinScope<'a, 'i>) -> Result<v8::Local<'a, v8::Value>, JsErrorBox> {
        let Some(snapshot) = self.0 else { return Ok(v8::null(scope).into()) };
        #[allow(clippy::cast_precision_loss, reason = "it counts notifications")]
        let generation = v8::Number::new(scope, snapshot.generation as f64).into();
        let text = string(scope, &snapshot.text)?;
        Ok(v8::Array::new_with_elements(scope, &[generation, text]).into())
    }
}

/// Rows as arrays of values.
pub(crate) struct Rows(pub(crate) Vec<Vec<Value>>);

impl<'a> ToV8<'a> for Rows {
    type Error = JsErrorBox;

    fn to_v8<'i>(self, scope: &mut v8::PinScope<'a, 'i>) -> Result<v8::Local<'a, v8::Value>, JsErrorBox> {
        let rows = self.0.into_iter().map(|values| row(scope, values)).collect::<Result<Vec<_>, _>>()?;
        Ok(v8::Array::new_with_elements(scope, &rows).into())
    }
}

fn names<'a>(
    scope: &mut v8::PinScope<'a, '_>,
    columns: &[Column],
) -> Result<v8::Local<'a, v8::Value>, JsErrorBox> {
    let mut pairs = Vec::with_capacity(columns.len());
    for column in columns {
        let pair = [string(scope, &column.name)?, string(scope, &column.type_name)?];
        pairs.push(v8::Array::new_with_elements(scope, &pair).into());
    }
    Ok(v8::Array::new_with_elements(scope, &pairs).into())
}

fn row<'a>(
    scope: &mut v8::PinScope<'a, '_>,
    values: Vec<Value>,
) -> Result<v8::Local<'a, v8::Value>, JsErrorBox> {
    let values = values.into_iter().map(|value| of_value(scope, value)).collect::<Result<Vec<_>, _>>()?;
    Ok(v8::Array::new_with_elements(scope, &values).into())
}

fn of_value<'a>(
    scope: &mut v8::PinScope<'a, '_>,
    value: Value,
) -> Result<v8::Local<'a, v8::Value>, JsErrorBox> {
    Ok(match value {
        Value::Null => v8::null(scope).into(),
        Value::Boolean(value) => v8::Boolean::new(scope, value).into(),
        Value::Int32(value) => v8::Integer::new(scope, value).into(),
        #[allow(clippy::cast_precision_loss, reason = "checked to be exact")]
        Value::Int64(value) if value.abs() <= SAFE_INTEGER_MAX => v8::Number::new(scope, value as f64).into(),
        Value::Int64(value) => v8::BigInt::new_from_i64(scope, value).into(),
        Value::Float64(value) => v8::Number::new(scope, value).into(),
        Value::Text(text) => string(scope, &text)?,
        Value::Bytes(value) => bytes(scope, value)?,
        Value::Json(text) => {
            let text = v8::String::new(scope, &text).ok_or_else(too_long)?;
            v8::json::parse(scope, text)
                .ok_or_else(|| JsErrorBox::generic("a json value that is not JSON"))?
        }
    })
}

fn string<'a>(scope: &mut v8::PinScope<'a, '_>, text: &str) -> Result<v8::Local<'a, v8::Value>, JsErrorBox> {
    Ok(v8::String::new(scope, text).ok_or_else(too_long)?.into())
}

fn bytes<'a>(scope: &mut v8::PinScope<'a, '_>, bytes: Bytes) -> Result<v8::Local<'a, v8::Value>, JsErrorBox> {
    Uint8Array(Vec::from(bytes).into_boxed_slice())
        .to_v8(scope)
        .map_err(|error| JsErrorBox::generic(error.to_string()))
}

fn too_long() -> JsErrorBox {
    JsErrorBox::range_error("a value is longer than a JavaScript string can be")
}
