//! Who may not speak to the inspector: web pages. A page can make its visitor's browser send requests to
//! the visitor's own machine, and by DNS rebinding even read the answers. Both show in the head.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::HeaderMap;
use http::header::{HOST, ORIGIN};

/// Schemes of pages that belong to a browser itself: its own DevTools.
const DEVTOOLS_SCHEMES: [&str; 2] = ["devtools://", "chrome-devtools://"];

/// Why a request is refused, as its sender is told.
pub(super) fn refusal(headers: &HeaderMap) -> Option<&'static str> {
    let mut hosts = headers.get_all(HOST).iter();
    let (host, another) = (hosts.next(), hosts.next());
    let is_ours = |host: &http::HeaderValue| host.to_str().is_ok_and(is_address_or_localhost);
    // Without one it is no browser.
    if another.is_some() || !host.is_none_or(is_ours) {
        return Some("the Host header must be an IP address or localhost\n");
    }
    let is_devtools = |origin: &http::HeaderValue| {
        DEVTOOLS_SCHEMES.iter().any(|scheme| origin.as_bytes().starts_with(scheme.as_bytes()))
    };
    if !headers.get_all(ORIGIN).iter().all(is_devtools) {
        return Some("web pages may not use the inspector\n");
    }
    None
}

/// A name could resolve to anything, and be made to resolve to this machine.
fn is_address_or_localhost(authority: &str) -> bool {
    if let Some(bracketed) = authority.strip_prefix('[') {
        let Some((address, port)) = bracketed.split_once(']') else { return false };
        return address.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || is_port(port));
    }
    let end = authority.find(':').unwrap_or(authority.len());
    let (host, port) = authority.split_at(end);
    let is_known = host.eq_ignore_ascii_case("localhost") || host.parse::<Ipv4Addr>().is_ok();
    is_known && (port.is_empty() || is_port(port))
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::{HOST, ORIGIN};

    use super::refusal;

    fn is_refused(host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        refusal(&headers).is_some()
    }

    #[test]
    fn names_are_refused_and_addresses_are_not() {
        for host in
            ["localhost", "LOCALHOST:8083", "127.0.0.1", "127.0.0.1:8083", "[::1]:8083", "192.168.1.4:1"]
        {
            assert!(!is_refused(host, None), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:8083",
            "127.0.0.1.evil.example",
            "127.0.0.1:8083:1",
            "127.0.0.1:",
            "[::1",
            "[evil]:1",
            "0x7f000001",
            "",
        ] {
            assert!(is_refused(host, None), "{host}");
        }
        assert!(refusal(&HeaderMap::new()).is_none());
        let mut twice = HeaderMap::new();
        twice.append(HOST, "localhost".parse().unwrap());
        twice.append(HOST, "evil.example".parse().unwrap());
        assert!(refusal(&twice).is_some());
    }

    #[test]
    fn pages_are_refused_and_devtools_are_not() {
        assert!(!is_refused("localhost", Some("devtools://devtools")));
        for origin in
            ["http://localhost:8083", "https://evil.example", "null", "file://", "https://devtools://x"]
        {
            assert!(is_refused("localhost", Some(origin)), "{origin}");
        }
    }
}
