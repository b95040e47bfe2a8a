//! One line of a function's egress allow-list.
//!
//! A name opens that name and no private address behind it: who controls the name's DNS must not
//! choose what inside the network is reached. An address or a network opens itself.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// `api.example.com`, `api.example.com:8443`, `*.example.com`, `10.0.0.0/8`, `10.1.2.3:5432`,
/// `[fd00::]/8:443`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressEntry {
    pub place: EgressPlace,
    /// `None` is every port.
    pub port: Option<u16>,
}

/// What an entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EgressPlace {
    /// A host name in lower case, without a trailing dot.
    Host(String),
    /// Every name below this one, not itself.
    Below(String),
    /// An address or a network.
    Network(IpNet),
}

/// An entry that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a host, host:port, *.suffix, an address or a network such as 10.0.0.0/8")]
pub struct InvalidEgressEntry;

impl EgressEntry {
    fn of(place: EgressPlace, port: Option<u16>) -> Self {
        Self { place, port }
    }

    /// Whether the entry says anything about `port`.
    pub fn covers_port(&self, port: u16) -> bool {
        self.port.is_none_or(|listed| listed == port)
    }
}

impl EgressPlace {
    /// `host` in lower case, without a trailing dot.
    pub fn names(&self, host: &str) -> bool {
        match self {
            Self::Host(name) => name == host,
            Self::Below(suffix) => {
                host.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            Self::Network(_) => false,
        }
    }

    pub fn holds(&self, address: IpAddr) -> bool {
        matches!(self, Self::Network(network) if network.contains(&address))
    }
}

impl FromStr for EgressEntry {
    type Err = InvalidEgressEntry;

    fn from_str(text: &str) -> Result<Self, InvalidEgressEntry> {
        let text = text.trim();
        if let Some(bracketed) = text.strip_prefix('[') {
            let (address, rest) = bracketed.split_once(']').ok_or(InvalidEgressEntry)?;
            let (length, port) = with_port(rest)?;
            let network = address.contains(':').then(|| network(&format!("{address}{length}"))).flatten();
            return Ok(Self::of(EgressPlace::Network(network.ok_or(InvalidEgressEntry)?), port));
        }
        // Without brackets all colons belong to the address.
        if let Some(network) = network(text) {
            return Ok(Self::of(EgressPlace::Network(network), None));
        }
        let (place, port) = with_port(text)?;
        if let Some(network) = network(place) {
            return Ok(Self::of(EgressPlace::Network(network), port));
        }
        let name = place.trim_end_matches('.').to_ascii_lowercase();
        match name.strip_prefix("*.") {
            Some(suffix) if is_name(suffix) => Ok(Self::of(EgressPlace::Below(suffix.into()), port)),
            None if is_name(&name) => Ok(Self::of(EgressPlace::Host(name), port)),
            _ => Err(InvalidEgressEntry),
        }
    }
}

/// What stands before the port, and the port if there is one.
fn with_port(text: &str) -> Result<(&str, Option<u16>), InvalidEgressEntry> {
    let Some((place, port)) = text.split_once(':') else { return Ok((text, None)) };
    let port = port.parse().ok().filter(|port| *port != 0).ok_or(InvalidEgressEntry)?;
    Ok((place, Some(port)))
}

/// A network in its shortest form, or one address.
fn network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok().map(|network| network.trunc());
    network.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// The labels of a host name; no number that a resolver would take for an address.
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() <= 253
        && text.split('.').all(label)
        && text.rsplit('.').next().is_some_and(|last| last.bytes().any(|byte| byte.is_ascii_alphabetic()))
}

impl fmt::Display for EgressEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            EgressPlace::Host(name) => formatter.write_str(name)?,
            EgressPlace::Below(suffix) => write!(formatter, "*.{suffix}")?,
            EgressPlace::Network(IpNet::V6(network)) if self.port.is_some() => {
                write!(formatter, "[{}]/{}", network.addr(), network.prefix_len())?;
            }
            EgressPlace::Network(network) => write!(formatter, "{network}")?,
        }
        self.port.map_or(Ok(()), |port| write!(formatter, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::EgressEntry;

    #[test]
    fn entries_are_read_and_printed() {
        for (text, expected) in [
            ("api.example.com", Some("api.example.com")),
            ("API.Example.com.:443", Some("api.example.com:443")),
            ("*.example.com", Some("*.example.com")),
            ("localhost:3000", Some("localhost:3000")),
            ("10.1.2.3", Some("10.1.2.3/32")),
            ("10.1.2.3/8", Some("10.0.0.0/8")),
            ("10.0.0.0/8:5432", Some("10.0.0.0/8:5432")),
            ("fd00::/8", Some("fd00::/8")),
            ("::1", Some("::1/128")),
            ("[::1]:80", Some("[::1]/128:80")),
            ("[fd00::]/8:443", Some("[fd00::]/8:443")),
            ("[fd00::]/8", Some("fd00::/8")),
            ("[10.0.0.1]:80", None),
            ("[::1", None),
            ("example.com:80:80", None),
            ("https://example.com", None),
            ("example.com/path", None),
            ("example.com:0", None),
            ("*", None),
            ("a.*.com", None),
            ("2130706433", None),
            ("127.1", None),
            ("", None),
        ] {
            let read = text.parse::<EgressEntry>().ok().map(|entry| entry.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_suffix_names_what_is_below_it() {
        let entry: EgressEntry = "*.example.com".parse().unwrap();
        assert!(entry.place.names("a.example.com") && entry.place.names("a.b.example.com"));
        assert!(!entry.place.names("example.com") && !entry.place.names("badexample.com"));
        assert!(!entry.place.names(".example.com"));
    }
}
