//! Answers the gateway gives by itself when it lets a request no further. One refusal, told in the
//! error shape of the surface it was meant for.

use std::borrow::Cow;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use isobase_base::{Body, Failure};
use serde_json::{Value, json};

/// The error shape that a surface's clients read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `{code, message, details, hint}`: postgrest-js.
    PostgRest,
    /// `{code, message}` and the header `sb-error-code`: functions-js.
    Functions,
    /// `{code, error_code, msg}`: auth-js.
    GoTrue,
    /// `{statusCode, error, message}`: storage-js.
    Storage,
    /// `{errors: [{message}]}`.
    GraphQl,
    /// `{error, message}`: realtime-js reads either.
    Realtime,
    /// `{code, message}`, for paths of no surface.
    Plain,
}

/// Why a request goes no further.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: Cow<'static, str>,
    pub(crate) details: Option<&'static str>,
    pub(crate) hint: Option<&'static str>,
    /// Whether functions-js finds the sentence in `msg` as well, as it does for 401.
    pub(crate) repeats_message: bool,
    /// At most one header that belongs to this refusal, such as `Allow`.
    pub(crate) header: Option<Box<(HeaderName, HeaderValue)>>,
}

const SB_ERROR_CODE: HeaderName = HeaderName::from_static("sb-error-code");

/// Seconds in `Retry-After` where the same request may do better shortly.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            details: None,
            hint: None,
            repeats_message: false,
            header: None,
        }
    }

    pub(crate) fn with_details(mut self, details: &'static str) -> Self {
        self.details = Some(details);
        self
    }

    pub(crate) fn with_hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some(Box::new((name, value)));
        self
    }

    pub(crate) fn into_response(self, dialect: Dialect) -> Response<Body> {
        let body = self.body(dialect).to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let content_type = match dialect {
            Dialect::PostgRest => "application/json; charset=utf-8",
            Dialect::Functions
            | Dialect::GoTrue
            | Dialect::Storage
            | Dialect::GraphQl
            | Dialect::Realtime
            | Dialect::Plain => "application/json",
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(SB_ERROR_CODE, HeaderValue::from_static(self.code));
        if let Some(header) = self.header {
            headers.insert(header.0, header.1);
        }
        response
    }

    fn body(&self, dialect: Dialect) -> Value {
        let Self { status, code, message, details, hint, .. } = self;
        match dialect {
            Dialect::PostgRest => {
                json!({ "code": code, "message": message, "details": details, "hint": hint })
            }
            Dialect::Functions if self.repeats_message => {
                json!({ "code": code, "message": message, "msg": message })
            }
            Dialect::Functions | Dialect::Plain => json!({ "code": code, "message": message }),
            Dialect::GoTrue => {
                json!({ "code": status.as_u16(), "error_code": code, "msg": message, "message": message })
            }
            Dialect::Realtime => json!({ "error": message, "message": message }),
            Dialect::Storage => json!({ "statusCode": status.as_str(), "error": code, "message": message }),
            Dialect::GraphQl => json!({ "errors": [{ "message": message, "extensions": { "code": code } }] }),
        }
    }
}

/// The fixed public text of a failed invocation; its detail stays in the log.
impl From<&Failure> for Refusal {
    fn from(failure: &Failure) -> Self {
        let refusal = Self::new(failure.kind.status(), failure.kind.code(), failure.kind.public_message());
        if failure.kind.may_retry() { refusal.with_header(RETRY_AFTER, RETRY_AFTER_SECONDS) } else { refusal }
    }
}
