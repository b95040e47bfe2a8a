//! The other end of a connection, worked out once per connection and not per request.

use std::net::{IpAddr, SocketAddr};

use http::HeaderValue;

/// The two ends of a client's connection.
#[derive(Clone, Debug)]
pub struct Peer {
    pub(crate) address: IpAddr,
    /// `address` as it goes into `x-forwarded-for`.
    pub(crate) address_text: HeaderValue,
    /// The port the client connected to, as it goes into `x-forwarded-port`.
    pub(crate) port_text: HeaderValue,
}

impl Peer {
    /// `remote` is the client's end, `local_port` the one it connected to. IPv4 addresses mapped
    /// into IPv6 are shown as IPv4.
    pub fn new(remote: SocketAddr, local_port: u16) -> Self {
        let address = remote.ip().to_canonical();
        Self {
            address,
            address_text: HeaderValue::try_from(address.to_string()).expect("an address is plain ASCII"),
            port_text: HeaderValue::from(local_port),
        }
    }
}
