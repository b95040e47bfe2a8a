//! Addresses that are not the public internet.
//!
//! The lists follow IANA's special-purpose registries (RFC 6890 and its updates). An IPv6 address
//! that carries an IPv4 one inside is judged by both.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Loopback, private, shared, link-local, multicast, reserved, unspecified, documentation,
/// benchmarking; in IPv6 also unique and site-local, and what is translated or tunnelled where it
/// cannot be taken apart.
const CLOSED: [&str; 31] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "::1/128",
    // Discard-only, local-use NAT64, Teredo, benchmarking, ORCHID, documentation.
    "100::/64",
    "64:ff9b:1::/48",
    "2001::/32",
    "2001:2::/48",
    "2001:10::/28",
    "2001:20::/28",
    "2001:db8::/32",
    "3fff::/20",
    // Segment routing, unique local, link-local, site-local, multicast.
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
    // ISATAP and the rest of what nobody has been given: 2000::/3 is the public part.
    "4000::/2",
];

/// All networks that are not public. IPv6 forms of IPv4 addresses are not among them; see
/// [`is_public`].
pub fn closed_networks() -> &'static [IpNet] {
    static NETWORKS: LazyLock<Vec<IpNet>> =
        LazyLock::new(|| CLOSED.iter().map(|text| text.parse().expect("a network")).collect());
    &NETWORKS
}

/// Whether an address belongs to the public internet.
pub(crate) fn is_public(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let closed = closed_networks().iter().any(|network| network.contains(&address));
    let inside_is_public = match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(v6) => embedded(v6).is_none_or(|v4| is_public(v4.into())),
    };
    !closed && inside_is_public
}

/// The IPv4 address in an IPv4-compatible (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056) or ISATAP
/// (RFC 5214) address. Mapped ones are canonical IPv4 already, Teredo is closed as a whole.
pub(crate) fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let joined = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match segments {
        [0, 0, 0, 0, 0, 0, high, low] => Some(joined(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(joined(high, low)),
        [0x2002, high, low, ..] => Some(joined(high, low)),
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(joined(high, low)),
        _ => None,
    }
}

/// `networks` without what is in `taken`, as the fewest networks that say so.
pub fn without(networks: &[IpNet], taken: &[IpNet]) -> Vec<IpNet> {
    let mut left = Vec::new();
    for network in networks {
        cut(*network, taken, &mut left);
    }
    left
}

fn cut(network: IpNet, taken: &[IpNet], left: &mut Vec<IpNet>) {
    if taken.iter().any(|taken| taken.contains(&network)) {
        return;
    }
    if !taken.iter().any(|taken| network.contains(taken)) {
        return left.push(network);
    }
    for half in halves(network) {
        cut(half, taken, left);
    }
}

fn halves(network: IpNet) -> Vec<IpNet> {
    let longer = network.prefix_len() + 1;
    match network {
        IpNet::V4(network) => {
            Ipv4Net::subnets(&network, longer).into_iter().flatten().map(IpNet::V4).collect()
        }
        IpNet::V6(network) => {
            Ipv6Net::subnets(&network, longer).into_iter().flatten().map(IpNet::V6).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{is_public, without};

    #[test]
    fn what_is_public() {
        for (address, expected) in [
            ("8.8.8.8", true),
            ("100.63.255.255", true),
            ("172.32.0.1", true),
            ("192.0.1.1", true),
            ("2606:4700::1111", true),
            ("2002:808:808::1", true),
            ("64:ff9b::808:808", true),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("10.255.255.255", false),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("127.255.255.254", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("172.31.255.255", false),
            ("192.0.0.8", false),
            ("192.0.2.1", false),
            ("192.88.99.1", false),
            ("192.168.1.1", false),
            ("198.18.0.1", false),
            ("198.19.255.255", false),
            ("198.51.100.1", false),
            ("203.0.113.1", false),
            ("224.0.0.1", false),
            ("240.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("::ffff:8.8.8.8", true),
            ("::127.0.0.1", false),
            ("64:ff9b::7f00:1", false),
            ("64:ff9b:1::808:808", false),
            ("2002:7f00:1::", false),
            ("2002:a00:1::1", false),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", false),
            ("2606:4700::5efe:10.0.0.1", false),
            ("2001:db8::1", false),
            ("3fff::1", false),
            ("4000::1", false),
            ("fc00::1", false),
            ("fd12:3456::1", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn networks_are_cut() {
        let networks = ["10.0.0.0/8".parse().unwrap(), "fc00::/7".parse().unwrap()];
        let taken =
            ["10.0.0.0/9".parse().unwrap(), "fd00::/8".parse().unwrap(), "8.0.0.0/8".parse().unwrap()];
        let left: Vec<String> = without(&networks, &taken).iter().map(ToString::to_string).collect();
        assert_eq!(left, ["10.128.0.0/9", "fc00::/8"]);
        assert_eq!(without(&networks[..1], &["10.1.2.3/32".parse().unwrap()]).len(), 24);
        assert!(without(&networks, &["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()]).is_empty());
    }
}
