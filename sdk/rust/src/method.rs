//! Request methods (RFC 9110 §9).

use std::fmt;

use crate::bindings::wasi::http::types;

/// A request's method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    /// Any other, as sent: methods are case-sensitive.
    Other(String),
}

impl Method {
    /// As it stands in the request line.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl From<types::Method> for Method {
    fn from(method: types::Method) -> Self {
        match method {
            types::Method::Get => Self::Get,
            types::Method::Head => Self::Head,
            types::Method::Post => Self::Post,
            types::Method::Put => Self::Put,
            types::Method::Patch => Self::Patch,
            types::Method::Delete => Self::Delete,
            types::Method::Options => Self::Options,
            types::Method::Connect => Self::Other("CONNECT".into()),
            types::Method::Trace => Self::Other("TRACE".into()),
            types::Method::Other(name) => Self::Other(name),
        }
    }
}

impl From<&Method> for types::Method {
    fn from(method: &Method) -> Self {
        match method {
            Method::Get => Self::Get,
            Method::Head => Self::Head,
            Method::Post => Self::Post,
            Method::Put => Self::Put,
            Method::Patch => Self::Patch,
            Method::Delete => Self::Delete,
            Method::Options => Self::Options,
            Method::Other(name) => Self::Other(name.clone()),
        }
    }
}
