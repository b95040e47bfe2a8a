//! What a function answers with.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

use crate::bindings::isobase::host::respond;
use crate::bindings::wasi::http::types::{Fields, OutgoingBody, OutgoingResponse, ResponseOutparam};
use crate::{Body, BodyError, Writer, database, storage};

/// An HTTP response: status, header lines, and a body that is at hand, streamed, or still held by
/// the host.
#[derive(Debug)]
pub struct Response {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    content: Content,
}

/// Writes a body piece by piece.
pub type WriteBody = Box<dyn FnOnce(&mut Writer) -> io::Result<()>>;

/// The body of a [`Response`].
pub enum Content {
    Empty,
    Bytes(Vec<u8>),
    /// A value of the database that the host kept.
    Document(database::Body),
    /// A stored object, or a part of it, in the host.
    Stored(storage::Content),
    /// The request's body, sent back or on, without entering the function's memory.
    Forward(Body),
    /// Called once the head is on its way.
    Stream(WriteBody),
}

impl Response {
    /// A response without a body. `status` is 200 to 599; others become a 500.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), content: Content::Empty }
    }

    /// 200, `text/plain`, UTF-8.
    pub fn text(text: impl Into<String>) -> Self {
        Self::bytes(text.into()).with_header("content-type", "text/plain; charset=utf-8")
    }

    /// 200, `text/html`, UTF-8.
    pub fn html(html: impl Into<String>) -> Self {
        Self::bytes(html.into()).with_header("content-type", "text/html; charset=utf-8")
    }

    /// 200, `application/json`. A value that cannot be JSON (a map with keys that are no strings)
    /// becomes a 500.
    pub fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => Self::bytes(json).with_header("content-type", "application/json"),
            Err(error) => failed(&error),
        }
    }

    /// 200 with these bytes and no content type.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, headers: Vec::new(), content: Content::Bytes(bytes.into()) }
    }

    /// 200 with a value that the host kept ([`database::query_document`]): the host sends it
    /// without handing it to the function.
    pub fn document(body: database::Body) -> Self {
        Self { status: 200, headers: Vec::new(), content: Content::Document(body) }
    }

    /// 200 with a stored object or a part of it: the host sends it from its disk.
    pub fn stored(content: storage::Content) -> Self {
        Self { status: 200, headers: Vec::new(), content: Content::Stored(content) }
    }

    /// 200 with the body of the request, moved within the host.
    pub fn forward(body: Body) -> Self {
        Self { status: 200, headers: Vec::new(), content: Content::Forward(body) }
    }

    /// 200 with a body that `write` makes while the client reads. An error breaks the body off.
    pub fn stream(write: impl FnOnce(&mut Writer) -> io::Result<()> + 'static) -> Self {
        Self { status: 200, headers: Vec::new(), content: Content::Stream(Box::new(write)) }
    }

    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Adds a header line; lines of the same name add up.
    #[must_use]
    pub fn with_header<'a>(mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into().into_owned(), value.into()));
        self
    }

    pub fn status(&self) -> u16 {
        self.status
    }

    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    pub fn content(&self) -> &Content {
        &self.content
    }

    pub(crate) fn send(self, out: ResponseOutparam) {
        let Ok(fields) = Fields::from_list(&self.headers) else {
            return failed(&"a header line of the response is not valid HTTP").send(out);
        };
        let response = OutgoingResponse::new(fields);
        let invalid = !(200..600).contains(&self.status);
        if invalid || (self.status != 200 && response.set_status_code(self.status).is_err()) {
            drop(response);
            return failed(&format_args!("{} is not a status to answer with", self.status)).send(out);
        }
        match self.content {
            Content::Empty => ResponseOutparam::set(out, Ok(response)),
            Content::Bytes(bytes) => send_bytes(out, response, &bytes),
            Content::Document(body) => respond::with_body(out, response, body.into_host()),
            Content::Stored(content) => respond::with_content(out, response, content.into_host()),
            Content::Forward(body) => send_stream(out, response, |writer| body.splice_into(writer)),
            Content::Stream(write) => send_stream(out, response, write),
        }
    }
}

/// A body that fits into the host's buffer is complete before the head leaves: the host sends both
/// in one write and knows the length.
fn send_bytes(out: ResponseOutparam, response: OutgoingResponse, bytes: &[u8]) {
    let Some(body) = body_of(&response) else { return refuse(out, response) };
    let mut writer = Writer::to(&body);
    if writer.room() < bytes.len() as u64 {
        ResponseOutparam::set(out, Ok(response));
        let written = writer.write_all(bytes);
        return finish(writer, body, written);
    }
    let written = writer.write_all(bytes);
    finish(writer, body, written);
    ResponseOutparam::set(out, Ok(response));
}

fn send_stream(
    out: ResponseOutparam,
    response: OutgoingResponse,
    write: impl FnOnce(&mut Writer) -> io::Result<()>,
) {
    let Some(body) = body_of(&response) else { return refuse(out, response) };
    let mut writer = Writer::to(&body);
    ResponseOutparam::set(out, Ok(response));
    let written = write(&mut writer);
    finish(writer, body, written);
}

/// `None` when the response's own `content-length` is not a number.
fn body_of(response: &OutgoingResponse) -> Option<OutgoingBody> {
    response.body().ok()
}

fn refuse(out: ResponseOutparam, response: OutgoingResponse) {
    drop(response);
    failed(&"content-length of the response is not a number").send(out);
}

/// Ends the body, or breaks it off so that the client notices.
fn finish(writer: Writer, body: OutgoingBody, written: io::Result<()>) {
    drop(writer);
    match written {
        Ok(()) => {
            if let Err(error) = OutgoingBody::finish(body, None) {
                log(&format_args!("the response's body broke off: {error}"));
            }
        }
        Err(error) => {
            drop(body);
            log(&format_args!("the response's body broke off: {error}"));
        }
    }
}

/// Logs `why` and makes the 500 that tells the client nothing of it.
fn failed(why: &dyn fmt::Display) -> Response {
    log(why);
    let body = r#"{"code":"EDGE_FUNCTION_ERROR","message":"Function failed (please check logs)"}"#;
    Response::bytes(body).with_status(500).with_header("content-type", "application/json")
}

#[allow(clippy::print_stderr, reason = "stderr is a function's log")]
fn log(why: &dyn fmt::Display) {
    eprintln!("{why}");
}

/// What a handler may return.
pub trait IntoResponse {
    fn into_response(self) -> Response;
}

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

impl IntoResponse for String {
    fn into_response(self) -> Response {
        Response::text(self)
    }
}

impl IntoResponse for &'static str {
    fn into_response(self) -> Response {
        Response::text(self)
    }
}

/// Logged; the client reads a plain 500.
impl IntoResponse for Box<dyn std::error::Error> {
    fn into_response(self) -> Response {
        failed(&self)
    }
}

/// The client's fault: 400 with the reason.
impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        Response::text(self.to_string()).with_status(400)
    }
}

impl<R: IntoResponse, E: IntoResponse> IntoResponse for Result<R, E> {
    fn into_response(self) -> Response {
        self.map_or_else(IntoResponse::into_response, IntoResponse::into_response)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => formatter.write_str("Empty"),
            Self::Bytes(bytes) => write!(formatter, "Bytes({})", String::from_utf8_lossy(bytes)),
            Self::Document(_) => formatter.write_str("Document"),
            Self::Stored(_) => formatter.write_str("Stored"),
            Self::Forward(_) => formatter.write_str("Forward"),
            Self::Stream(_) => formatter.write_str("Stream"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, IntoResponse, Response};

    #[test]
    fn a_failed_handler_tells_the_client_nothing() {
        let result: Result<Response, Box<dyn std::error::Error>> = Err("the password is hunter2".into());
        let response = result.into_response();
        assert_eq!(response.status(), 500);
        assert!(!format!("{response:?}").contains("hunter2"));
    }

    #[test]
    fn json_carries_its_type() {
        let response = Response::json(&serde_json::json!({"a": 1})).with_status(201);
        assert_eq!(response.headers(), [("content-type".to_owned(), b"application/json".to_vec())]);
        assert!(matches!(response.content(), Content::Bytes(bytes) if bytes == br#"{"a":1}"#));
    }
}
