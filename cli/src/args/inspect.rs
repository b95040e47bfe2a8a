//! `isobase start --inspect…`: where debuggers attach, and what waits for them.

use std::convert::Infallible;
use std::str::FromStr;

use clap::Args;
use isobase_v8::InspectMode;

#[derive(Debug, Args)]
#[group(id = "inspection")]
pub(crate) struct InspectArguments {
    /// Let debuggers attach to TypeScript functions: chrome://inspect, VS Code
    /// [default: 127.0.0.1, port `edge_runtime.inspector_port` of config.toml, 8083]
    #[arg(long, value_name = "HOST:PORT", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) inspect: Option<InspectAddress>,
    /// The same, and have each function wait for a debugger and pause at its first statement
    #[arg(long, value_name = "HOST:PORT", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    #[arg(conflicts_with_all = ["inspect", "inspect_wait"])]
    pub(crate) inspect_brk: Option<InspectAddress>,
    /// The same, and have each function wait for a debugger before its code runs
    #[arg(long, value_name = "HOST:PORT", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    #[arg(conflicts_with = "inspect")]
    pub(crate) inspect_wait: Option<InspectAddress>,
}

/// `HOST:PORT`, either of them, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InspectAddress {
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
}

impl InspectArguments {
    /// Where and how, if at all.
    pub(crate) fn chosen(&self) -> Option<(&InspectAddress, InspectMode)> {
        let modes = [
            (&self.inspect, InspectMode::Run),
            (&self.inspect_brk, InspectMode::Break),
            (&self.inspect_wait, InspectMode::Wait),
        ];
        modes.into_iter().find_map(|(address, mode)| Some((address.as_ref()?, mode)))
    }
}

/// What is no port is a host; whether it is one shows when it is looked up.
impl FromStr for InspectAddress {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        if let Ok(port) = text.parse() {
            return Ok(Self { host: None, port: Some(port) });
        }
        let split = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        // Colons within an IPv6 address stand before no port unless the address is in brackets.
        let split = split.filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
        let (host, port) = split.map_or((text, None), |(host, port)| (host, Some(port)));
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Ok(Self { host: (!host.is_empty()).then(|| host.to_owned()), port })
    }
}

#[cfg(test)]
mod tests {
    use super::InspectAddress;

    #[test]
    fn addresses_in_all_their_forms() {
        let read = |text: &str| {
            let InspectAddress { host, port } = text.parse().unwrap();
            (host, port)
        };
        let host = |name: &str| Some(name.to_owned());
        assert_eq!(read(""), (None, None));
        assert_eq!(read("9229"), (None, Some(9229)));
        assert_eq!(read(":9229"), (None, Some(9229)));
        assert_eq!(read("0.0.0.0"), (host("0.0.0.0"), None));
        assert_eq!(read("localhost:9229"), (host("localhost"), Some(9229)));
        assert_eq!(read("[::1]:9229"), (host("::1"), Some(9229)));
        assert_eq!(read("::1"), (host("::1"), None));
    }
}
