//! What a function may do through the platform: use the network, as its egress policy lets it, and the
//! files that [`crate::files`] shows it. Nothing else has an API here, and should an extension ask anyway,
//! it is refused.
//!
//! Every path is let through, since none leads to the host's disk: there is no other file system in an
//! isolate, and operations that would go past it are refused ([`crate::node::judged`]). Nor does a look
//! at a path touch that disk: it is not canonicalised.

use std::borrow::Cow;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deno_core::url::Url;
use deno_permissions::UnaryPermission;
use deno_permissions::{
    AllowRunDescriptorParseResult, DenyRunDescriptor, EnvDescriptor, EnvDescriptorParseError, FfiDescriptor,
    Host, ImportDescriptor, NetDescriptor, NetDescriptorFromUrlParseError, NetDescriptorParseError,
    PathQueryDescriptor, PathResolveError, PermissionDescriptorParser, Permissions, PermissionsContainer,
    ReadDescriptor, RunDescriptorParseError, RunQueryDescriptor, SpecialFilePathQueryDescriptor,
    SysDescriptor, SysDescriptorParseError, WriteDescriptor,
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use isobase_base::EgressPlace;
use isobase_http::EgressPolicy;

use crate::files::Disk;

/// A name that every policy allows and nobody has: what URLs are checked as that the policy itself has
/// judged.
const JUDGED: &str = "judged.isobase.invalid";

/// The permissions of an isolate that has no function yet.
pub(crate) fn of_none(disk: &Arc<Disk>) -> PermissionsContainer {
    container(UnaryPermission::allow_all(), None, Some(disk.clone()))
}

/// The permissions of a function under `policy`.
pub(crate) fn under(policy: &EgressPolicy, disk: &Arc<Disk>) -> PermissionsContainer {
    let mut denied = own_ports(policy);
    denied.extend(policy.closed().into_iter().map(|network| NetDescriptor(Host::IpSubnet(network), None)));
    let allowed = policy.listed().map(|entries| {
        let listed = entries.iter().filter_map(|entry| {
            let host = match &entry.place {
                EgressPlace::Network(network) => Host::IpSubnet(*network),
                EgressPlace::Host(name) => NetDescriptor::parse_for_list(name).ok()?.0,
                EgressPlace::Below(suffix) => NetDescriptor::parse_for_list(&format!("*.{suffix}")).ok()?.0,
            };
            Some(NetDescriptor(host, entry.port.map(u32::from)))
        });
        listed.chain([judged()]).collect()
    });
    container(unary(allowed, denied), Some(policy.clone()), Some(disk.clone()))
}

/// For a client whose destinations are judged elsewhere: everything but the host's own ports.
pub(crate) fn own_ports_closed(policy: &EgressPolicy) -> PermissionsContainer {
    container(unary(None, own_ports(policy)), None, None)
}

/// `None` allows everything that is not denied.
fn unary(allowed: Option<Vec<NetDescriptor>>, denied: Vec<NetDescriptor>) -> UnaryPermission<NetDescriptor> {
    let denied = (!denied.is_empty()).then_some(denied);
    // An empty list means "all" here, in both places.
    Permissions::new_unary(Some(allowed.unwrap_or_default()), denied, false)
}

fn own_ports(policy: &EgressPolicy) -> Vec<NetDescriptor> {
    let here: [IpNet; 4] = [
        Ipv4Net::new(Ipv4Addr::LOCALHOST, 8).expect("a prefix of 32 bits").trunc().into(),
        Ipv4Net::new(Ipv4Addr::UNSPECIFIED, 8).expect("a prefix of 32 bits").into(),
        Ipv6Net::from(Ipv6Addr::LOCALHOST).into(),
        Ipv6Net::from(Ipv6Addr::UNSPECIFIED).into(),
    ];
    let ports = &policy.surroundings().closed_ports;
    let pairs = ports.iter().flat_map(|port| here.map(|network| (network, *port)));
    pairs.map(|(network, port)| NetDescriptor(Host::IpSubnet(network), Some(port.into()))).collect()
}

fn judged() -> NetDescriptor {
    NetDescriptor::parse_for_query(JUDGED).expect("a name")
}

fn container(
    net: UnaryPermission<NetDescriptor>,
    policy: Option<EgressPolicy>,
    disk: Option<Arc<Disk>>,
) -> PermissionsContainer {
    let permissions = Permissions {
        net,
        read: UnaryPermission::allow_all(),
        write: UnaryPermission::allow_all(),
        // The web's root certificates are no secret of the host.
        sys: SysDescriptor::parse("ca".to_owned())
            .map(|kind| Permissions::new_unary(Some(vec![kind]), None, false))
            .expect("the kind is known"),
        ..Permissions::none_without_prompt()
    };
    PermissionsContainer::new(Arc::new(Parser { policy, disk }), permissions)
}

/// Understands names of hosts and takes paths as they are. Programs have no meaning inside a function.
#[derive(Debug)]
struct Parser {
    policy: Option<EgressPolicy>,
    disk: Option<Arc<Disk>>,
}

fn no_list() -> PathResolveError {
    PathResolveError::NotFound(io::Error::new(io::ErrorKind::Unsupported, "a function has no list of paths"))
}

impl PermissionDescriptorParser for Parser {
    fn parse_read_descriptor(&self, _text: &str) -> Result<ReadDescriptor, PathResolveError> {
        Err(no_list())
    }

    fn parse_write_descriptor(&self, _text: &str) -> Result<WriteDescriptor, PathResolveError> {
        Err(no_list())
    }

    fn parse_net_descriptor(&self, text: &str) -> Result<NetDescriptor, NetDescriptorParseError> {
        NetDescriptor::parse_for_list(text)
    }

    /// URLs of `fetch` are judged when the request is made, where the refusal becomes an error that
    /// says why; those of `WebSocket` here.
    fn parse_net_descriptor_from_url(
        &self,
        url: &Url,
    ) -> Result<NetDescriptor, NetDescriptorFromUrlParseError> {
        let is_open = match (&self.policy, url.scheme()) {
            (Some(_), "http" | "https") => true,
            (Some(policy), _) => url
                .host_str()
                .zip(url.port_or_known_default())
                .is_some_and(|(host, port)| policy.check_host(host, port).is_ok()),
            (None, _) => false,
        };
        if is_open { Ok(judged()) } else { NetDescriptor::from_url(url) }
    }

    fn parse_import_descriptor(&self, text: &str) -> Result<ImportDescriptor, NetDescriptorParseError> {
        ImportDescriptor::parse_for_list(text)
    }

    fn parse_env_descriptor(&self, _text: &str) -> Result<EnvDescriptor, EnvDescriptorParseError> {
        Err(EnvDescriptorParseError)
    }

    fn parse_sys_descriptor(&self, text: &str) -> Result<SysDescriptor, SysDescriptorParseError> {
        SysDescriptor::parse(text.to_owned())
    }

    fn parse_allow_run_descriptor(
        &self,
        _text: &str,
    ) -> Result<AllowRunDescriptorParseResult, RunDescriptorParseError> {
        Err(RunDescriptorParseError::EmptyRunQuery)
    }

    fn parse_deny_run_descriptor(&self, _text: &str) -> Result<DenyRunDescriptor, PathResolveError> {
        Err(no_list())
    }

    fn parse_ffi_descriptor(&self, _text: &str) -> Result<FfiDescriptor, PathResolveError> {
        Err(no_list())
    }

    fn parse_path_query<'a>(&self, path: Cow<'a, Path>) -> Result<PathQueryDescriptor<'a>, PathResolveError> {
        if path.as_os_str().is_empty() {
            return Err(PathResolveError::EmptyPath);
        }
        let disk = self.disk.as_ref().ok_or_else(no_list)?;
        let path = PathBuf::from(disk.absolute(&path));
        Ok(PathQueryDescriptor::new_known_absolute(Cow::Owned(path)))
    }

    fn parse_special_file_descriptor<'a>(
        &self,
        path: PathQueryDescriptor<'a>,
    ) -> Result<SpecialFilePathQueryDescriptor<'a>, PathResolveError> {
        Ok(SpecialFilePathQueryDescriptor::from_path_query_no_canonicalize(path))
    }

    fn parse_net_query(&self, text: &str) -> Result<NetDescriptor, NetDescriptorParseError> {
        NetDescriptor::parse_for_query(text)
    }

    fn parse_run_query<'a>(
        &self,
        _requested: &'a str,
    ) -> Result<RunQueryDescriptor<'a>, RunDescriptorParseError> {
        Err(RunDescriptorParseError::EmptyRunQuery)
    }
}
