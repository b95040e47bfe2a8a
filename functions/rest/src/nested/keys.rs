//! What Postgres returned of written rows.

use serde_json::value::RawValue;

/// JSON texts of one row.
pub(super) type Values = Vec<Box<RawValue>>;

/// Values of written rows, in the order of these rows.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Values>,
}

impl Keys {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn get(&self, row: usize, column: &str) -> Option<&str> {
        let index = self.columns.iter().position(|known| known == column)?;
        self.rows.get(row)?.get(index).map(|value| value.get())
    }

    /// A JSON array of objects.
    pub(super) fn objects(&self) -> String {
        let row = |row: &Values| {
            object(self.columns.iter().map(String::as_str).zip(row.iter().map(|value| value.get())))
        };
        format!("[{}]", self.rows.iter().map(row).collect::<Vec<_>>().join(","))
    }

    /// Names and texts of a single row's key, as [`crate::respond::Head`] has them.
    pub(super) fn location(&self, key: &[Box<str>]) -> Option<String> {
        let [_] = self.rows.as_slice() else { return None };
        if key.is_empty() {
            return None;
        }
        let pair = |column: &str| {
            let json = self.get(0, column)?;
            let text = serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned());
            Some((column.to_owned(), (json != "null").then_some(text)))
        };
        let pairs = key.iter().map(|column| pair(column)).collect::<Option<Vec<_>>>()?;
        serde_json::to_string(&pairs).ok()
    }
}

/// A JSON object of names and JSON texts.
pub(super) fn object<'v>(members: impl Iterator<Item = (&'v str, &'v str)>) -> String {
    let members =
        members.map(|(name, value)| format!("{}:{value}", serde_json::Value::from(name))).collect::<Vec<_>>();
    format!("{{{}}}", members.join(","))
}
