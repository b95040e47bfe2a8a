//! HTTP to the outside.

use std::fmt;
use std::io::Write;

use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingResponse, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};
use crate::{Body, Request, Writer};

/// Sends `request`, whose target is a whole URL (`https://example.com/path?query`), and waits for
/// the head of the response. The host bounds the wait by the deadline of the request being served.
///
/// ```no_run
/// use isobase_sdk::{Method, Request, fetch};
///
/// let request = Request::builder(Method::Post, "https://example.com/hooks").body("{}").build();
/// let reply = fetch(request)?;
/// println!("{}", reply.status());
/// # Ok::<(), isobase_sdk::FetchError>(())
/// ```
pub fn fetch(mut request: Request) -> Result<Reply, FetchError> {
    let (scheme, authority, path) = split_url(request.target())?;
    let fields = Fields::from_list(request.headers())
        .map_err(|error| FetchError::Refused(format!("a header line is not valid HTTP: {error}")))?;
    let outgoing = OutgoingRequest::new(fields);
    let accepted = outgoing
        .set_scheme(Some(&scheme))
        .and_then(|()| outgoing.set_authority(Some(authority)))
        .and_then(|()| outgoing.set_path_with_query(Some(path)))
        .and_then(|()| outgoing.set_method(&request.method().into()));
    if accepted.is_err() {
        return Err(FetchError::Refused(format!("{:?} cannot be asked for", request.target())));
    }
    let body = outgoing.body().map_err(|()| FetchError::Refused("content-length is not a number".into()))?;
    let reply = outgoing_handler::handle(outgoing, None::<RequestOptions>)?;
    send_body(&mut request, body)?;
    reply.subscribe().block();
    match reply.get() {
        Some(Ok(Ok(response))) => Ok(Reply { host: response }),
        Some(Ok(Err(code))) => Err(code.into()),
        Some(Err(())) | None => Err(FetchError::Refused("the response was taken already".into())),
    }
}

fn send_body(request: &mut Request, body: OutgoingBody) -> Result<(), FetchError> {
    let content = request.bytes().map_err(|error| FetchError::Broken(error.to_string()))?;
    let mut writer = Writer::to(&body);
    let written = writer.write_all(&content);
    drop(writer);
    // A server may answer before it has read everything; its answer tells more than the error.
    if written.is_ok() {
        OutgoingBody::finish(body, None)?;
    }
    Ok(())
}

fn split_url(url: &str) -> Result<(Scheme, &str, &str), FetchError> {
    let (scheme, rest) = if let Some(rest) = url.strip_prefix("https://") {
        (Scheme::Https, rest)
    } else if let Some(rest) = url.strip_prefix("http://") {
        (Scheme::Http, rest)
    } else {
        return Err(FetchError::Refused(format!("{url:?} is not an http or https URL")));
    };
    let path = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path);
    let path = path.split('#').next().unwrap_or_default();
    Ok((scheme, authority, if path.is_empty() { "/" } else { path }))
}

/// The response to a [`fetch`].
#[derive(Debug)]
pub struct Reply {
    host: IncomingResponse,
}

impl Reply {
    pub fn status(&self) -> u16 {
        self.host.status()
    }

    /// All header lines: lower-case names, values as sent.
    pub fn headers(&self) -> Vec<(String, Vec<u8>)> {
        self.host.headers().entries()
    }

    /// Takes the body to read it. A second call yields an empty body.
    pub fn take_body(&mut self) -> Body {
        self.host.consume().map_or_else(|()| Body::held(Vec::new()), Body::from_host)
    }
}

/// Why a [`fetch`] got no response.
#[derive(Clone, Debug)]
pub enum FetchError {
    /// The call itself is wrong, or the host does not allow it.
    Refused(String),
    /// The other side cannot be reached, broke off, or took too long.
    Broken(String),
}

impl fmt::Display for FetchError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => write!(formatter, "the request was not sent: {why}"),
            Self::Broken(why) => write!(formatter, "no response came: {why}"),
        }
    }
}

impl std::error::Error for FetchError {}

impl From<ErrorCode> for FetchError {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => {
                Self::Refused("the host does not allow this destination".into())
            }
            code => Self::Broken(format!("{code:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Scheme, split_url};

    #[test]
    fn urls_split_into_what_a_request_needs() {
        let (scheme, authority, path) = split_url("http://localhost:8000/a/b?c=d#e").unwrap();
        assert!(matches!(scheme, Scheme::Http));
        assert_eq!((authority, path), ("localhost:8000", "/a/b?c=d"));
        assert_eq!(split_url("https://example.com").unwrap().2, "/");
        assert!(split_url("ftp://example.com/").is_err());
        assert!(split_url("/relative").is_err());
    }
}
