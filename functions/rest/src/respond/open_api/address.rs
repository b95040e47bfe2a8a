//! Where clients find the API.

use crate::request::Incoming;
use crate::settings::Settings;

/// Scheme, host with port, path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) scheme: String,
    pub(super) host: String,
    pub(super) path: String,
}

impl Address {
    /// As the operator says; else as the request says.
    pub(super) fn of(incoming: &Incoming<'_>, settings: &Settings) -> Self {
        if let Some(address) = settings.open_api_proxy_uri.as_deref().and_then(Self::parse) {
            return address;
        }
        let host = incoming.header("x-forwarded-host").or_else(|| incoming.header("host"));
        Self {
            scheme: incoming.header("x-forwarded-proto").unwrap_or("http").to_owned(),
            host: host.unwrap_or("localhost").to_owned(),
            path: "/".to_owned(),
        }
    }

    /// An absolute URI without user and query, whose port is written out.
    fn parse(uri: &str) -> Option<Self> {
        let (scheme, rest) = uri.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let default_port = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        if authority.is_empty() || authority.contains('@') || rest.contains('?') {
            return None;
        }
        // A colon inside of brackets belongs to the address.
        let (name, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
            Some((name, port)) => (name, port.parse::<u16>().ok().filter(|port| *port != 0)?),
            None => (authority, default_port),
        };
        let path = path.split('#').next().unwrap_or(path);
        (!name.is_empty()).then(|| Self { scheme, host: format!("{name}:{port}"), path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn addresses_name_their_ports() {
        for (uri, expected) in [
            ("https://example.com/api", Some("https example.com:443 /api")),
            ("http://example.com", Some("http example.com:80 /")),
            ("HTTP://example.com:8080/", Some("http example.com:8080 /")),
            ("http://[::1]:54321/rest/v1", Some("http [::1]:54321 /rest/v1")),
            ("http://[::1]/", Some("http [::1]:80 /")),
            ("ftp://example.com", None),
            ("http://me@example.com", None),
            ("http://example.com?x", None),
            ("http://example.com:0", None),
            ("http://example.com:99999", None),
            ("http://:80/", None),
            ("example.com", None),
        ] {
            let found =
                Address::parse(uri).map(|found| format!("{} {} {}", found.scheme, found.host, found.path));
            assert_eq!(found.as_deref(), expected, "{uri}");
        }
    }
}
