//! Which destinations are open.
//!
//! A destination is judged twice: the host as it was written ([`EgressPolicy::check_host`]) and each
//! address that it resolves to ([`EgressPolicy::admits`]); a connection goes to an address that was
//! judged, never to a name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use http::Uri;
use ipnet::IpNet;
use isobase_base::{Egress, EgressEntry, EgressPlace};

use crate::address::{closed_networks, is_public, without};
use crate::connect::host_and_port;

/// Names that programs written for Supabase's containers know the project's API by.
const GATEWAY_NAMES: [&str; 2] = ["kong", "api.supabase.internal"];
/// The port that goes with them.
const GATEWAY_PORT: u16 = 8000;
/// The machine itself, as seen from such a container.
const MACHINE_NAME: &str = "host.docker.internal";

/// The host's own listeners, as far as a policy must know them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The project's API: always open, over loopback.
    pub gateway: Option<SocketAddr>,
    /// Ports of this machine that no guest may ever reach: the admin port.
    pub closed_ports: Vec<u16>,
}

/// What one function, or the database, may connect to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EgressPolicy(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    surroundings: Surroundings,
    listed: Option<Arc<[EgressEntry]>>,
    private_is_open: bool,
}

/// Where a host and port lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The project's own API, at this address.
    Gateway(SocketAddr),
    /// One address, written as such, already admitted.
    Address(SocketAddr),
    /// A name, in lower case; each of its addresses is still to be admitted.
    Name(String, u16),
}

/// Why a destination is closed. The text is for the guest: it says what was asked for and what to do,
/// nothing of what a name resolved to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{host}:{port} is not on this function's egress list; add it to capabilities.egress")]
    NotListed { host: String, port: u16 },
    #[error(
        "{host}:{port} is in a private or reserved network; list the address in capabilities.egress to allow it"
    )]
    Private { host: String, port: u16 },
    #[error("port {port} of this machine belongs to the host itself")]
    OwnPort { port: u16 },
    #[error("{0:?} is not a host name")]
    NoName(String),
}

impl EgressPolicy {
    /// For work at a developer's machine: private networks are open unless a function declares a list.
    pub fn development(surroundings: Surroundings, egress: &Egress) -> Self {
        Self::new(surroundings, egress, true)
    }

    /// Private networks are closed unless a function lists them.
    pub fn production(surroundings: Surroundings, egress: &Egress) -> Self {
        Self::new(surroundings, egress, false)
    }

    fn new(surroundings: Surroundings, egress: &Egress, development: bool) -> Self {
        let listed = match egress {
            Egress::Host => None,
            Egress::Listed(entries) => Some(Arc::clone(entries)),
        };
        let private_is_open = development && listed.is_none();
        Self(Arc::new(Rules { surroundings, listed, private_is_open }))
    }

    pub fn surroundings(&self) -> &Surroundings {
        &self.0.surroundings
    }

    /// The entries of a declared list.
    pub fn listed(&self) -> Option<&[EgressEntry]> {
        self.0.listed.as_deref()
    }

    /// Networks closed whatever the port, for those who can only check an address. Where an entry opens
    /// an address for one port, the address is not in here.
    pub fn closed(&self) -> Vec<IpNet> {
        if self.0.private_is_open {
            return Vec::new();
        }
        let opened: Vec<IpNet> = self.networks().map(|(network, _)| network).collect();
        without(closed_networks(), &opened)
    }

    /// Judges a host as written in a URL: a name, an IPv4 address, or an IPv6 one in brackets.
    pub fn check_host(&self, host: &str, port: u16) -> Result<Destination, Refusal> {
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        if let Some(gateway) = self.gateway(&name, port) {
            return Ok(Destination::Gateway(gateway));
        }
        if let Some(address) = literal(&name) {
            self.check_address(host, address, port)?;
            return Ok(Destination::Address(SocketAddr::new(address, port)));
        }
        if name.is_empty() {
            return Err(Refusal::NoName(host.into()));
        }
        if !self.names(&name, port) {
            return Err(Refusal::NotListed { host: host.into(), port });
        }
        Ok(Destination::Name(name, port))
    }

    /// Whether `uri` is of the project's own API, which speaks plain HTTP.
    pub fn is_gateway(&self, uri: &Uri) -> bool {
        let place = host_and_port(uri).filter(|_| uri.scheme_str() == Some("http"));
        place.is_some_and(|(host, port)| matches!(self.check_host(host, port), Ok(Destination::Gateway(_))))
    }

    /// Judges one address that `name`, which passed [`EgressPolicy::check_host`], resolved to.
    pub fn admits(&self, name: &str, address: SocketAddr) -> Result<(), Refusal> {
        self.check_own_port(address.ip(), address.port())?;
        if self.is_open(address.ip(), address.port()) {
            return Ok(());
        }
        Err(Refusal::Private { host: name.into(), port: address.port() })
    }

    /// As [`EgressPolicy::admits`], for those who learn an address before the port: open only if it is
    /// at every port that the name may be used with.
    pub fn admits_at_any_port(&self, name: &str, address: IpAddr) -> Result<(), Refusal> {
        let refused = |port| Refusal::Private { host: name.into(), port };
        if self.0.private_is_open || is_public(address) {
            return Ok(());
        }
        let entries = self.listed().unwrap_or_default();
        let named: Vec<Option<u16>> =
            entries.iter().filter(|entry| entry.place.names(name)).map(|entry| entry.port).collect();
        if named.is_empty() {
            // Nothing but the project's own API may have brought this name here.
            let gateway =
                self.0.surroundings.gateway.filter(|_| address.is_loopback() && name == "localhost");
            return gateway.map(|_| ()).ok_or_else(|| refused(0));
        }
        let open = |port: &Option<u16>| {
            entries.iter().any(|entry| {
                entry.place.holds(address.to_canonical()) && (entry.port.is_none() || entry.port == *port)
            })
        };
        named.iter().find(|port| !open(port)).map_or(Ok(()), |port| Err(refused(port.unwrap_or_default())))
    }

    fn check_address(&self, host: &str, address: IpAddr, port: u16) -> Result<(), Refusal> {
        self.check_own_port(address, port)?;
        let listed = self
            .networks()
            .any(|(network, at)| network.contains(&address.to_canonical()) && at.is_none_or(|at| at == port));
        if listed || (self.0.listed.is_none() && self.is_open(address, port)) {
            return Ok(());
        }
        Err(if is_public(address) {
            Refusal::NotListed { host: host.into(), port }
        } else {
            Refusal::Private { host: host.into(), port }
        })
    }

    fn is_open(&self, address: IpAddr, port: u16) -> bool {
        self.0.private_is_open
            || is_public(address)
            || self.networks().any(|(network, at)| {
                network.contains(&address.to_canonical()) && at.is_none_or(|at| at == port)
            })
    }

    fn check_own_port(&self, address: IpAddr, port: u16) -> Result<(), Refusal> {
        let canonical = address.to_canonical();
        let here = canonical.is_loopback() || canonical.is_unspecified();
        if here && self.0.surroundings.closed_ports.contains(&port) {
            return Err(Refusal::OwnPort { port });
        }
        Ok(())
    }

    /// The project's API, under each of the addresses and names it has.
    fn gateway(&self, name: &str, port: u16) -> Option<SocketAddr> {
        let gateway = self.0.surroundings.gateway?;
        let is_alias = port == GATEWAY_PORT && GATEWAY_NAMES.contains(&name);
        let here = matches!(name, "localhost" | MACHINE_NAME)
            || literal(name).is_some_and(|address| address == gateway.ip() || address.is_loopback());
        (is_alias || (here && port == gateway.port())).then_some(gateway)
    }

    fn names(&self, name: &str, port: u16) -> bool {
        self.listed().is_none_or(|entries| {
            entries.iter().any(|entry| entry.covers_port(port) && entry.place.names(name))
        })
    }

    /// The addresses that entries open. `localhost` is the one name that means addresses.
    fn networks(&self) -> impl Iterator<Item = (IpNet, Option<u16>)> + '_ {
        self.listed().into_iter().flatten().flat_map(|entry| {
            let networks = match &entry.place {
                EgressPlace::Network(network) => vec![*network],
                EgressPlace::Host(name) if name == "localhost" || name == MACHINE_NAME => vec![
                    IpNet::from(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                    IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST)),
                ],
                EgressPlace::Host(_) | EgressPlace::Below(_) => Vec::new(),
            };
            networks.into_iter().map(|network| (network, entry.port))
        })
    }
}

impl Refusal {
    /// Whether it is the address behind a name that is closed, not what the guest wrote.
    pub fn is_about_address(&self) -> bool {
        matches!(self, Self::Private { .. } | Self::OwnPort { .. })
    }
}

/// The address that `host` spells, in any form that some resolver would accept: `127.1`, `0x7f000001`,
/// `017700000001`. URLs have been through the same parser, SQL's hosts may not have.
fn literal(host: &str) -> Option<IpAddr> {
    let host = match url::Host::parse(host) {
        Ok(url::Host::Ipv4(address)) => return Some(address.into()),
        Ok(url::Host::Ipv6(address)) => return Some(IpAddr::V6(address).to_canonical()),
        _ => host,
    };
    host.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Whether a name always means this machine (RFC 6761), or does inside Supabase's containers.
pub(crate) fn means_this_machine(name: &str) -> bool {
    name == MACHINE_NAME || name == "localhost" || name.ends_with(".localhost")
}
