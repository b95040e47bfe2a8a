//! Cross-origin requests (<https://fetch.spec.whatwg.org/#http-cors-protocol>), as PostgREST answers them.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::request::Parts;
use http::{Method, Response};
use isobase_base::Body;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD");
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, Transfer-Encoding, Range-Unit, ETag, Link",
);
/// Seconds a browser may remember a preflight.
const MAX_AGE: HeaderValue = HeaderValue::from_static("86400");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// What a response says to the page that asked.
pub(super) enum Answer {
    /// No `Origin`: not a browser's cross-origin request.
    Silent,
    /// Everybody may read it; credentials (cookies) may not be sent.
    Anybody,
    /// This configured origin may read it, with credentials.
    Named(HeaderValue),
}

/// Decides for the origin of a request. With configured origins only those are echoed, byte for
/// byte; `null` (sandboxed frames, files) is never among them.
pub(super) fn decide(headers: &HeaderMap, configured: &[String]) -> Answer {
    let Some(origin) = headers.get(ORIGIN) else { return Answer::Silent };
    if configured.is_empty() {
        return Answer::Anybody;
    }
    let is_named = origin != "null" && configured.iter().any(|name| name.as_bytes() == origin.as_bytes());
    if is_named { Answer::Named(origin.clone()) } else { Answer::Silent }
}

/// Answers a preflight; `None` for every other request, plain `OPTIONS` included.
pub(super) fn preflight(parts: &Parts, answer: &Answer) -> Option<Response<Body>> {
    let is_preflight = parts.method == Method::OPTIONS
        && parts.headers.contains_key(ORIGIN)
        && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if !is_preflight {
        return None;
    }
    let mut response = Response::new(Body::Empty);
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers(&parts.headers));
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    allow_origin(headers, answer);
    Some(response)
}

/// `Authorization`, what the page asked for, and what needs no asking.
fn allowed_headers(headers: &HeaderMap) -> HeaderValue {
    const PLAIN: &str = "Accept, Accept-Language, Content-Language";
    let asked: Vec<&str> = headers
        .get_all(ACCESS_CONTROL_REQUEST_HEADERS)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let list = if asked.is_empty() {
        format!("Authorization, {PLAIN}")
    } else {
        format!("Authorization, {}, {PLAIN}", asked.join(", "))
    };
    HeaderValue::try_from(list).unwrap_or(HeaderValue::from_static("Authorization"))
}

/// Marks a response, other than to a preflight, with the decision.
pub(super) fn mark(headers: &mut HeaderMap, answer: &Answer) {
    if allow_origin(headers, answer) {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

fn allow_origin(headers: &mut HeaderMap, answer: &Answer) -> bool {
    match answer {
        Answer::Silent => return false,
        Answer::Anybody => {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
        }
        Answer::Named(origin) => {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
    }
    true
}
