//! Failed statements as a script catches them: `DatabaseError`.

use std::borrow::Cow;

use deno_error::{AdditionalProperties, JsErrorClass, PropertyValue};
use isobase_database::Error;

/// Becomes the class `DatabaseError` of `js/database.js`, with a `kind` named as in the WIT
/// variant, and Postgres' fields where Postgres reported it.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct QueryError(#[from] Error);

impl QueryError {
    pub(crate) fn refused(why: &str) -> Self {
        Self(Error::Refused(why.to_owned()))
    }

    pub(crate) fn unavailable(why: &str) -> Self {
        Self(Error::Unavailable(why.to_owned()))
    }

    pub(super) fn ended() -> Self {
        Self::refused("the transaction has ended")
    }

    fn kind(&self) -> &'static str {
        match &self.0 {
            Error::Sql(_) => "sql",
            Error::Exhausted(_) => "exhausted",
            Error::Unavailable(_) => "unavailable",
            Error::TimedOut => "timed-out",
            Error::Refused(_) => "refused",
            Error::Body(_) => "body",
        }
    }
}

impl JsErrorClass for QueryError {
    fn get_class(&self) -> Cow<'static, str> {
        "DatabaseError".into()
    }

    fn get_message(&self) -> Cow<'static, str> {
        match &self.0 {
            Error::Sql(error) => error.message.clone().into(),
            other => other.to_string().into(),
        }
    }

    fn get_additional_properties(&self) -> AdditionalProperties {
        let mut properties: Vec<(Cow<'static, str>, PropertyValue)> =
            vec![("kind".into(), PropertyValue::String(self.kind().into()))];
        if let Error::Sql(error) = &self.0 {
            let texts = [
                ("sqlstate", Some(error.sqlstate.clone())),
                ("detail", error.detail.clone()),
                ("hint", error.hint.clone()),
                ("constraint", error.constraint.clone()),
            ];
            for (name, text) in texts {
                properties.extend(text.map(|text| (name.into(), PropertyValue::String(text.into()))));
            }
            let position = error.position.map(|position| PropertyValue::Number(position.into()));
            properties.extend(position.map(|position| ("position".into(), position)));
        }
        Box::new(properties.into_iter())
    }

    fn get_ref(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }
}
