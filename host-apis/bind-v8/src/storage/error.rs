//! Failed calls as a script catches them: `StorageError`.

use std::borrow::Cow;

use deno_error::{AdditionalProperties, JsErrorClass, PropertyValue};
use isobase_storage::{Code, Error};

/// Becomes the class `StorageError` of `js/storage.js`, with the fields of the WIT record.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct StorageError(#[from] Error);

impl StorageError {
    pub(crate) fn refused(why: &str) -> Self {
        Self(Error::new(Code::AccessDenied, why))
    }
}

impl JsErrorClass for StorageError {
    fn get_class(&self) -> Cow<'static, str> {
        "StorageError".into()
    }

    fn get_message(&self) -> Cow<'static, str> {
        self.0.message.clone().into()
    }

    fn get_additional_properties(&self) -> AdditionalProperties {
        let code = PropertyValue::String(self.0.code.as_str().into());
        let status = PropertyValue::Number(self.0.code.status().into());
        Box::new([("code".into(), code), ("status".into(), status)].into_iter())
    }

    fn get_ref(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }
}
