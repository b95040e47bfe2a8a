//! The columns before the body: how the statement went.

/// A value of the row's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadValue {
    Null,
    Integer(i64),
    Text(String),
}

/// Which columns a statement has before its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadColumns {
    /// total, page, headers, status.
    Read,
    /// page, headers, status, inserted, location.
    Write,
}

/// What the row says besides the body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// Rows without the range, where they were counted.
    pub(crate) total: Option<i64>,
    /// Rows in the body.
    pub(crate) page: i64,
    /// They were still coming when the answer began.
    pub(crate) uncounted: bool,
    /// `response.headers` and `response.status`, as SQL code set them.
    pub(crate) headers: Option<String>,
    pub(crate) status: Option<String>,
    /// Rows that an upsert inserted; those it updated are not among them.
    pub(crate) inserted: Option<i64>,
    /// The inserted row's key, a JSON array of pairs.
    pub(crate) location: Option<String>,
    /// What the planner thinks the total is.
    pub(crate) estimate: Option<i64>,
    /// What PostgREST does not have, a JSON object; a column only where it was asked for.
    pub(crate) beyond: Option<String>,
}

impl Head {
    pub(crate) fn decode(columns: HeadColumns, values: Vec<HeadValue>) -> Self {
        let mut values = values.into_iter();
        let integer = |values: &mut std::vec::IntoIter<HeadValue>| match values.next() {
            Some(HeadValue::Integer(number)) => Some(number),
            _ => None,
        };
        let text = |values: &mut std::vec::IntoIter<HeadValue>| match values.next() {
            Some(HeadValue::Text(text)) => Some(text),
            _ => None,
        };
        match columns {
            HeadColumns::Read => Self {
                total: integer(&mut values),
                page: integer(&mut values).unwrap_or(0),
                headers: text(&mut values),
                status: text(&mut values),
                beyond: text(&mut values),
                ..Self::default()
            },
            HeadColumns::Write => Self {
                page: integer(&mut values).unwrap_or(0),
                headers: text(&mut values),
                status: text(&mut values),
                inserted: integer(&mut values),
                location: text(&mut values),
                beyond: text(&mut values),
                ..Self::default()
            },
        }
    }

    /// The planner's rows out of `EXPLAIN (FORMAT JSON)`.
    pub(crate) fn planned_rows(explanation: &str) -> Option<i64> {
        let plan: serde_json::Value = serde_json::from_str(explanation).ok()?;
        plan.get(0)?.get("Plan")?.get("Plan Rows")?.as_i64()
    }
}
