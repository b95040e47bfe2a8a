//! From names to addresses.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures::FutureExt;
use futures::future::BoxFuture;
use isobase_base::limits::OUTBOUND_ADDRESSES_MAX;

use crate::policy::means_this_machine;

pub type Resolving = BoxFuture<'static, io::Result<Vec<IpAddr>>>;

/// Resolves a name once. Tests bring their own.
pub trait Resolve: fmt::Debug + Send + Sync {
    fn resolve(&self, name: &str) -> Resolving;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: &str) -> Resolving {
        if means_this_machine(name) {
            let here = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            return futures::future::ok(here).boxed();
        }
        let name = name.to_owned();
        async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).take(OUTBOUND_ADDRESSES_MAX).collect())
        }
        .boxed()
    }
}
