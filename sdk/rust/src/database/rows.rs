//! Rows that were returned, and their values as types of Rust.

use serde::de::DeserializeOwned;

use super::{Column, Error, Value, host};

/// The rows of a statement.
#[derive(Clone, Debug)]
pub struct Table {
    pub columns: Vec<Column>,
    pub values: Vec<Vec<Value>>,
    /// Rows written, or rows returned when nothing was written.
    pub affected: u64,
}

impl Table {
    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub fn first(&self) -> Option<Row<'_>> {
        self.rows().next()
    }

    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.values.iter().map(|values| Row { columns: &self.columns, values })
    }
}

impl From<host::Table> for Table {
    fn from(table: host::Table) -> Self {
        Self { columns: table.columns, values: table.rows, affected: table.affected }
    }
}

/// One row. Columns are found by name or by position from 0.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    columns: &'a [Column],
    values: &'a [Value],
}

impl<'a> Row<'a> {
    pub(super) fn new(columns: &'a [Column], values: &'a [Value]) -> Self {
        Self { columns, values }
    }

    pub fn columns(&self) -> &'a [Column] {
        self.columns
    }

    pub fn values(&self) -> &'a [Value] {
        self.values
    }

    /// The value of `column` as it came.
    pub fn value(&self, column: impl ColumnIndex) -> Result<&'a Value, Error> {
        column
            .position(self.columns)
            .and_then(|position| self.values.get(position))
            .ok_or_else(|| Error::Column(format!("there is no column {}", column.describe())))
    }

    /// The value of `column` as `T`; `Option<T>` where it may be null.
    pub fn get<T: FromValue>(&self, column: impl ColumnIndex) -> Result<T, Error> {
        let value = self.value(&column)?;
        T::from_value(value).ok_or_else(|| Error::mismatch::<T>(&column.describe(), value))
    }

    /// The value of a json, jsonb or text column, parsed.
    pub fn json<T: DeserializeOwned>(&self, column: impl ColumnIndex) -> Result<T, Error> {
        let value = self.value(&column)?;
        let (Value::Json(text) | Value::Text(text)) = value else {
            return Err(Error::mismatch::<T>(&column.describe(), value));
        };
        serde_json::from_str(text)
            .map_err(|error| Error::Column(format!("column {}: {error}", column.describe())))
    }
}

/// A column by name (the first of that name) or by position.
pub trait ColumnIndex {
    fn position(&self, columns: &[Column]) -> Option<usize>;
    fn describe(&self) -> String;
}

impl ColumnIndex for &str {
    fn position(&self, columns: &[Column]) -> Option<usize> {
        columns.iter().position(|column| column.name == *self)
    }

    fn describe(&self) -> String {
        (*self).to_owned()
    }
}

impl ColumnIndex for usize {
    fn position(&self, columns: &[Column]) -> Option<usize> {
        (*self < columns.len()).then_some(*self)
    }

    fn describe(&self) -> String {
        self.to_string()
    }
}

impl<C: ColumnIndex> ColumnIndex for &C {
    fn position(&self, columns: &[Column]) -> Option<usize> {
        (**self).position(columns)
    }

    fn describe(&self) -> String {
        (**self).describe()
    }
}

/// A type that a [`Value`] can become without loss.
pub trait FromValue: Sized {
    /// `None` when `value` is of another kind, or null.
    fn from_value(value: &Value) -> Option<Self>;
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Boolean(value) => Some(*value),
            _ => None,
        }
    }
}

impl FromValue for i32 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Int32(value) => Some(*value),
            Value::Int64(value) => (*value).try_into().ok(),
            _ => None,
        }
    }
}

impl FromValue for i64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Int32(value) => Some((*value).into()),
            Value::Int64(value) => Some(*value),
            _ => None,
        }
    }
}

impl FromValue for f64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Int32(value) => Some((*value).into()),
            Value::Float64(value) => Some(*value),
            _ => None,
        }
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) | Value::Json(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Column, Row, Value};

    #[test]
    fn values_become_types_without_loss_or_say_why_not() {
        let columns =
            ["id", "title", "meta"].map(|name| Column { name: name.into(), type_name: "any".into() });
        let values = [Value::Int64(1 << 40), Value::Null, Value::Json(r#"{"a":[1]}"#.into())];
        let row = Row { columns: &columns, values: &values };

        assert_eq!(row.get::<i64>("id").unwrap(), 1 << 40);
        assert_eq!(row.get::<Option<String>>(1).unwrap(), None);
        assert_eq!(row.json::<serde_json::Value>("meta").unwrap()["a"][0], 1);
        assert_eq!(
            row.get::<i32>("id").unwrap_err().to_string(),
            r#"column "id" holds an int8, which is no i32"#
        );
        assert_eq!(row.get::<i32>("nope").unwrap_err().to_string(), "there is no column nope");
        assert_eq!(row.get::<i32>(7).unwrap_err().to_string(), "there is no column 7");
    }
}
