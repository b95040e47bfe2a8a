//! Between the words of the contract and those of the host API, which mirror each other.

use std::time::Duration;

use isobase_database as host;

use crate::bindings::database as wit;

pub(super) fn session(session: wit::Session) -> host::Session {
    host::Session {
        identity: match session.identity {
            wit::Identity::Caller => host::Identity::Caller,
            wit::Identity::Service => host::Identity::Service,
        },
        access_mode: match session.access_mode {
            wit::AccessMode::ReadWrite => host::AccessMode::ReadWrite,
            wit::AccessMode::ReadOnly => host::AccessMode::ReadOnly,
        },
        settings: session.settings,
        timeout: session.timeout_ms.map(|millis| Duration::from_millis(millis.into())),
    }
}

/// Any parameter but a body, which is collected before.
pub(super) fn parameter(parameter: wit::Parameter) -> host::Parameter {
    match parameter {
        wit::Parameter::Null | wit::Parameter::Body(_) => host::Parameter::Null,
        wit::Parameter::Boolean(value) => host::Parameter::Boolean(value),
        wit::Parameter::Int32(value) => host::Parameter::Int32(value),
        wit::Parameter::Int64(value) => host::Parameter::Int64(value),
        wit::Parameter::Float64(value) => host::Parameter::Float64(value),
        wit::Parameter::Text(text) => host::Parameter::Text(text.into()),
        wit::Parameter::Bytes(bytes) => host::Parameter::Bytes(bytes.into()),
    }
}

pub(super) fn value(value: host::Value) -> wit::Value {
    match value {
        host::Value::Null => wit::Value::Null,
        host::Value::Boolean(value) => wit::Value::Boolean(value),
        host::Value::Int32(value) => wit::Value::Int32(value),
        host::Value::Int64(value) => wit::Value::Int64(value),
        host::Value::Float64(value) => wit::Value::Float64(value),
        host::Value::Text(text) => wit::Value::Text(text),
        host::Value::Bytes(bytes) => wit::Value::Bytes(bytes.into()),
        host::Value::Json(text) => wit::Value::Json(text),
    }
}

pub(super) fn rows(rows: Vec<Vec<host::Value>>) -> Vec<Vec<wit::Value>> {
    rows.into_iter().map(|row| row.into_iter().map(value).collect()).collect()
}

pub(super) fn columns(columns: &[host::Column]) -> Vec<wit::Column> {
    let column = |column: &host::Column| wit::Column {
        name: column.name.clone(),
        type_name: column.type_name.clone(),
    };
    columns.iter().map(column).collect()
}

pub(super) fn table(table: host::Table) -> wit::Table {
    wit::Table { columns: columns(&table.columns), rows: rows(table.rows), affected: table.affected }
}

pub(super) fn versioned_text(snapshot: &host::Snapshot) -> wit::VersionedText {
    wit::VersionedText { generation: snapshot.generation, text: snapshot.text.as_ref().to_owned() }
}

pub(crate) fn error(error: host::Error) -> wit::Error {
    match error {
        host::Error::Sql(error) => {
            let host::SqlError { sqlstate, message, detail, hint, constraint, position } = *error;
            wit::Error::Sql(wit::SqlError { sqlstate, message, detail, hint, constraint, position })
        }
        host::Error::Exhausted(host::Exhaustion::WaitOver) => {
            wit::Error::Exhausted(wit::Exhaustion::WaitOver)
        }
        host::Error::Exhausted(host::Exhaustion::QueueFull) => {
            wit::Error::Exhausted(wit::Exhaustion::QueueFull)
        }
        host::Error::Unavailable(why) => wit::Error::Unavailable(why),
        host::Error::TimedOut => wit::Error::TimedOut,
        host::Error::Refused(why) => wit::Error::Refused(why),
        host::Error::Body(why) => wit::Error::Body(why),
    }
}
