//! Errors as clients read them: a status, headers, and `{code, details, hint, message}`.
//!
//! One file per origin: the request itself, the catalog, Postgres.

mod beyond;
mod catalog;
mod postgres;
mod request;

use std::borrow::Cow;

use serde_json::Value;

pub(crate) use catalog::Ambiguous;
pub use postgres::SqlFault;

/// A request that is refused or has failed, in PostgREST's words.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    pub status: u16,
    /// `PGRST…` or a SQLSTATE.
    pub code: Cow<'static, str>,
    pub message: String,
    /// Mostly a text; a list of relationships where one of them must be chosen.
    pub details: Option<Box<Value>>,
    pub hint: Option<String>,
    pub headers: Vec<(String, String)>,
}

impl Problem {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: Cow::Borrowed(code),
            message: message.into(),
            details: None,
            hint: None,
            headers: Vec::new(),
        }
    }

    fn details(mut self, details: impl Into<Value>) -> Self {
        self.details = Some(Box::new(details.into()));
        self
    }

    fn hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// The JSON body without what may tell of the database's insides.
    pub(crate) fn short_body(&self) -> String {
        let text = |value: &str| Value::from(value).to_string();
        format!(r#"{{"code":{},"message":{}}}"#, text(&self.code), text(&self.message))
    }

    /// The JSON body; keys in the order PostgREST writes them.
    pub fn body(&self) -> String {
        let text = |value: &str| Value::from(value).to_string();
        format!(
            r#"{{"code":{},"details":{},"hint":{},"message":{}}}"#,
            text(&self.code),
            self.details.as_ref().map_or_else(|| "null".to_owned(), |details| details.to_string()),
            self.hint.as_deref().map_or_else(|| "null".to_owned(), text),
            text(&self.message),
        )
    }
}
