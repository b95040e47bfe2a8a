//! What a function sees of a request: the gateway's word instead of the client's where only the
//! gateway can know.

use std::net::IpAddr;

use http::Uri;
use http::header::{
    CONNECTION, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{Authority, InvalidUriParts, PathAndQuery, Scheme};

use super::credentials::without_apikey;
use super::head::connection_options;
use crate::config::GatewayConfig;
use crate::peer::Peer;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// How many headers the gateway adds to a request.
const TOLD_HEADERS: usize = 8;

/// Headers that speak of one hop only (RFC 9110 §7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Drops what concerns this hop and what only the gateway may say. `keeps_upgrade` leaves the two
/// headers of a handshake that the function is to answer.
pub(super) fn clean_request(headers: &mut HeaderMap, keeps_upgrade: bool) {
    let named: Vec<HeaderName> = if headers.contains_key(CONNECTION) {
        connection_options(headers).filter_map(|name| HeaderName::try_from(name).ok()).collect()
    } else {
        Vec::new()
    };
    let dropped: Vec<HeaderName> =
        headers.keys().filter(|name| is_not_for_functions(name)).cloned().collect();
    let upgrade = if keeps_upgrade { headers.get(UPGRADE).cloned() } else { None };
    // `Connection: authorization` must not make a credential vanish between two checks, so only
    // headers without a meaning of their own can be named away.
    for name in named.iter().filter(|name| !is_end_to_end(name)).chain(&dropped) {
        headers.remove(name);
    }
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, protocol);
    }
}

fn is_not_for_functions(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name) || is_reserved(name.as_str())
}

/// Read behind the gateway, by who finds the version, and only from callers with the secret key.
const ASKED_VERSION: &str = "x-isobase-version";

/// Names that a function may take for the gateway's word, and names with an underscore, which CGI
/// and PostgreSQL settings cannot tell from a dash.
fn is_reserved(name: &str) -> bool {
    name.contains('_')
        || name.starts_with("x-forwarded-")
        || name.starts_with("sb-")
        || name.starts_with("x-sb-")
        || name.starts_with("x-isobase-") && name != ASKED_VERSION
        || name.starts_with("request.")
        || [FORWARDED.as_str(), "x-real-ip", "x-request-id", "x-api-key", "x-original-url", "x-rewrite-url"]
            .contains(&name)
}

fn is_end_to_end(name: &HeaderName) -> bool {
    use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, ORIGIN};
    [ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, ORIGIN].contains(name)
        || name.as_str() == "apikey"
}

/// Drops what concerns only the hop between function and gateway from a response.
pub(super) fn clean_response(headers: &mut HeaderMap, is_upgrade: bool) {
    let is_kept = |name: &HeaderName| is_upgrade && (name == CONNECTION || name == UPGRADE);
    let dropped = |name: &&HeaderName| HOP_BY_HOP.contains(name) && !is_kept(name);
    for name in headers.keys().filter(dropped).cloned().collect::<Vec<_>>() {
        headers.remove(name);
    }
}

/// Where a request came from, as the function is told.
pub(super) struct Origin {
    pub(super) address: IpAddr,
    address_text: HeaderValue,
    scheme: &'static str,
}

impl Origin {
    /// The peer itself, or what a trusted proxy says of its own peer: the last entry of
    /// `X-Forwarded-For`, the only one a client cannot choose.
    pub(super) fn of(headers: &HeaderMap, peer: &Peer, config: &GatewayConfig) -> Self {
        let told = |name| headers.get_all(name).iter().next_back().and_then(|value| value.to_str().ok());
        if !config.trusted_proxies.contains(&peer.address) {
            return Self { address: peer.address, address_text: peer.address_text.clone(), scheme: "http" };
        }
        let address = told(X_FORWARDED_FOR)
            .and_then(|list| list.rsplit(',').next())
            .and_then(|last| last.trim().parse().ok())
            .unwrap_or(peer.address);
        Self {
            address,
            address_text: HeaderValue::try_from(address.to_string()).unwrap_or(peer.address_text.clone()),
            scheme: if told(X_FORWARDED_PROTO) == Some("https") { "https" } else { "http" },
        }
    }

    pub(super) fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Adds the `x-forwarded-*` headers, as Supabase's gateway sets them.
    pub(super) fn tell(&self, headers: &mut HeaderMap, peer: &Peer, host: &Authority, prefix: &'static str) {
        // Once, for these and those of the identity: a map that grows hashes all its names again.
        headers.reserve(TOLD_HEADERS);
        headers.insert(X_FORWARDED_FOR, self.address_text.clone());
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(self.scheme));
        headers.insert(X_FORWARDED_PORT, peer.port_text.clone());
        headers.insert(X_FORWARDED_PREFIX, HeaderValue::from_static(prefix));
        if let Ok(host) = HeaderValue::from_str(host.as_str()) {
            headers.insert(X_FORWARDED_HOST, host);
        }
    }
}

/// The URI a function sees: absolute, so that `new URL(request.url)` works, with `path` in place of
/// the routed one. `hides_apikey` takes the key out of the query.
pub(super) fn seen_uri(
    uri: &Uri,
    path: &str,
    scheme: &'static str,
    authority: Authority,
    hides_apikey: bool,
) -> Result<Uri, InvalidUriParts> {
    let query = uri.query().map(|query| if hides_apikey { without_apikey(query) } else { query.into() });
    let path = if path.is_empty() { "/" } else { path };
    let target = match query.filter(|query| !query.is_empty()) {
        Some(query) => [path, &query].join("?"),
        None => path.to_owned(),
    };
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(if scheme == "https" { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(authority);
    // A piece of a valid target is a valid target; should that ever be untrue, it is refused.
    parts.path_and_query = PathAndQuery::from_maybe_shared(bytes::Bytes::from(target)).ok();
    Uri::from_parts(parts)
}
