//! The request being served.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde::de::DeserializeOwned;

use crate::bindings::wasi::http::types::IncomingRequest;
use crate::{Body, BodyError, Method};

/// An HTTP request as the function sees it: the path begins with the function's own name, and the
/// gateway has already checked the caller's key or token.
///
/// Headers and body stay in the host until they are asked for.
#[derive(Debug)]
pub struct Request {
    method: Method,
    target: String,
    headers: OnceCell<Vec<(String, Vec<u8>)>>,
    host: Option<IncomingRequest>,
    held_body: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn from_host(host: IncomingRequest) -> Self {
        Self {
            method: host.method().into(),
            target: host.path_with_query().unwrap_or_else(|| "/".into()),
            headers: OnceCell::new(),
            host: Some(host),
            held_body: None,
        }
    }

    /// A request made by hand, to test a handler with. `target` is path and query.
    pub fn builder(method: Method, target: impl Into<String>) -> RequestBuilder {
        RequestBuilder { method, target: target.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Path and query as sent; the whole URL for a request made to be sent ([`crate::fetch`]).
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The host name and port that the client asked for. It is no header: the host checks it.
    pub fn authority(&self) -> Option<String> {
        self.host.as_ref().and_then(IncomingRequest::authority)
    }

    /// The path as sent, percent-encoded: `/hello/a%20b`.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&*self.target, |(path, _)| path)
    }

    /// What stands after `?`, as sent; empty when there is none.
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The query's pairs in order, decoded as `application/x-www-form-urlencoded`.
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.query().split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (form_decoded(name), form_decoded(value))
        })
    }

    /// The first value of `name` in the query, decoded.
    pub fn query_value(&self, name: &str) -> Option<String> {
        self.query_pairs().find(|(candidate, _)| candidate == name).map(|(_, value)| value.into_owned())
    }

    /// All header lines: lower-case names, values as sent.
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        self.headers.get_or_init(|| self.host.as_ref().map_or_else(Vec::new, |host| host.headers().entries()))
    }

    /// The first line called `name` (lower case), when its value is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers().iter().find(|(candidate, _)| candidate == name)?;
        std::str::from_utf8(value).ok()
    }

    /// Takes the body to read it, stream it, answer with it, or bind it to a statement. A second
    /// call yields an empty body.
    pub fn take_body(&mut self) -> Body {
        if let Some(held) = self.held_body.take() {
            return Body::held(held);
        }
        match self.host.as_ref().and_then(|host| host.consume().ok()) {
            Some(body) => Body::from_host(body),
            None => Body::held(Vec::new()),
        }
    }

    /// Reads the whole body.
    pub fn bytes(&mut self) -> Result<Vec<u8>, BodyError> {
        self.take_body().read_all()
    }

    /// Reads the whole body as UTF-8.
    pub fn text(&mut self) -> Result<String, BodyError> {
        String::from_utf8(self.bytes()?).map_err(|error| BodyError::Malformed(error.to_string()))
    }

    /// Reads the whole body as JSON.
    pub fn json<T: DeserializeOwned>(&mut self) -> Result<T, BodyError> {
        serde_json::from_slice(&self.bytes()?).map_err(|error| BodyError::Malformed(error.to_string()))
    }
}

/// Makes a [`Request`] without a host.
#[derive(Debug)]
pub struct RequestBuilder {
    method: Method,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl RequestBuilder {
    /// Adds a header line. Names are lower-cased, as they arrive from a host.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn build(self) -> Request {
        Request {
            method: self.method,
            target: self.target,
            headers: OnceCell::from(self.headers),
            host: None,
            held_body: Some(self.body),
        }
    }
}

/// `+` is a space, `%XX` a byte (WHATWG URL, `application/x-www-form-urlencoded` parsing). Borrows
/// when there is nothing to decode.
fn form_decoded(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(text);
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'+', _) => decoded.push(b' '),
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    decoded.push(high << 4 | low);
                    rest = after;
                }
                _ => decoded.push(byte),
            },
            _ => decoded.push(byte),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

#[cfg(test)]
mod tests {
    use super::{Request, form_decoded};
    use crate::Method;

    #[test]
    fn a_target_splits_into_path_and_query() {
        let request = Request::builder(Method::Get, "/todos/a%20b?id=eq.1&name=J%C3%BCrgen+M&flag").build();
        assert_eq!(request.path(), "/todos/a%20b");
        assert_eq!(request.query(), "id=eq.1&name=J%C3%BCrgen+M&flag");
        assert_eq!(request.query_value("name").as_deref(), Some("Jürgen M"));
        assert_eq!(request.query_value("flag").as_deref(), Some(""));
        assert_eq!(request.query_value("other"), None);
    }

    #[test]
    fn malformed_escapes_stay_as_they_are() {
        for (encoded, decoded) in
            [("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%41%", "A%"), ("%ff", "\u{fffd}")]
        {
            assert_eq!(form_decoded(encoded), decoded, "{encoded}");
        }
    }

    #[test]
    fn a_body_can_be_taken_once() {
        let mut request =
            Request::builder(Method::Post, "/").header("Content-Type", "text/plain").body("hi").build();
        assert_eq!(request.header("content-type"), Some("text/plain"));
        assert_eq!(request.text().unwrap(), "hi");
        assert_eq!(request.bytes().unwrap(), b"");
    }
}
