//! The head of a request: what is refused before anything is decided by it.

use http::header::{CONNECTION, HOST, HeaderMap, UPGRADE};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, StatusCode, Version};
use isobase_base::limits;

use super::own;
use crate::refusal::Refusal;

/// Checks bounds and the target's host. Bytes are those of the head as HTTP/1.1 would write it.
pub(super) fn check(parts: &Parts, header_bytes_max: usize) -> Result<Authority, Refusal> {
    let too_large =
        |message| Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "HEADERS_TOO_LARGE", message);
    if parts.headers.len() > limits::HEADER_COUNT_MAX {
        return Err(too_large("The request has too many header lines"));
    }
    let target = parts.uri.path().len() + parts.uri.query().map_or(0, str::len);
    let lines: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if target + lines > header_bytes_max {
        return Err(too_large("The head of the request is too large"));
    }
    if parts.method == Method::CONNECT || parts.method == Method::TRACE {
        return Err(own::method_not_allowed());
    }
    host(parts)
        .ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "INVALID_HOST", "The Host header is not valid"))
}

/// The one host a request names (RFC 9112 §3.2, RFC 9113 §8.3.1). Two that differ, or none where
/// one is required, is how a request hides its true target from a proxy in front.
fn host(parts: &Parts) -> Option<Authority> {
    let mut named = parts.headers.get_all(HOST).iter();
    let header = match (named.next(), named.next()) {
        (Some(value), None) => Some(Authority::try_from(value.as_bytes()).ok()?),
        (None, _) => None,
        (Some(_), Some(_)) => return None,
    };
    let authority = match (parts.uri.authority(), header) {
        (Some(target), Some(header)) if *target != header => return None,
        (Some(target), _) => target.clone(),
        (None, Some(header)) => header,
        (None, None) if parts.version == Version::HTTP_10 => Authority::from_static("localhost"),
        (None, None) => return None,
    };
    let is_plain = !authority.host().is_empty() && !authority.as_str().contains('@');
    is_plain.then_some(authority)
}

/// Whether the client asks to leave HTTP on this connection (RFC 9110 §7.8).
pub(super) fn asks_for_upgrade(parts: &Parts) -> bool {
    parts.version == Version::HTTP_11
        && parts.headers.contains_key(UPGRADE)
        && connection_lists(&parts.headers, "upgrade")
}

fn connection_lists(headers: &HeaderMap, option: &str) -> bool {
    connection_options(headers).any(|listed| listed.eq_ignore_ascii_case(option))
}

pub(super) fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim)
}
