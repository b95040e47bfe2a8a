//! How this crate speaks SQL: which session, and values in and out.

use isobase_database::{Identity, Parameter, Session, Value};

/// What a policy may ask for with `storage.operation()`, in upstream's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Upload,
    Upsert,
    Get,
    Info,
    Sign,
    List,
    Copy,
    Move,
    Delete,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Upload => "storage.object.upload",
            Self::Upsert => "storage.object.upload_update",
            Self::Get => "storage.object.get_authenticated",
            Self::Info => "storage.object.get_authenticated_info",
            Self::Sign => "storage.object.sign",
            Self::List => "storage.object.list_v2",
            Self::Copy => "storage.object.copy",
            Self::Move => "storage.object.move",
            Self::Delete => "storage.object.delete_many",
        }
    }
}

pub(crate) fn session(identity: Identity, operation: Operation) -> Session {
    let mut settings = vec![("storage.operation".to_owned(), operation.name().to_owned())];
    if operation == Operation::Delete {
        // A database that Supabase Storage has set up refuses to delete without it.
        settings.push(("storage.allow_delete_query".to_owned(), "true".to_owned()));
    }
    Session { identity, settings, ..Session::default() }
}

pub(crate) fn text(text: impl Into<String>) -> Parameter {
    Parameter::Text(text.into().into())
}

pub(crate) fn optional(value: Option<impl Into<String>>) -> Parameter {
    value.map_or(Parameter::Null, text)
}

/// The values of one row, taken one after another.
pub(crate) struct Row(std::vec::IntoIter<Value>);

impl Row {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        match self.0.next()? {
            Value::Text(text) | Value::Json(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn integer(&mut self) -> Option<i64> {
        match self.0.next()? {
            Value::Int64(number) => Some(number),
            Value::Int32(number) => Some(number.into()),
            _ => None,
        }
    }

    pub(crate) fn boolean(&mut self) -> bool {
        matches!(self.0.next(), Some(Value::Boolean(true)))
    }
}
