//! From names to addresses.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};
use std::sync::{Arc, LazyLock};

use futures::FutureExt;
use futures::future::BoxFuture;
use isobase_base::limits::{OUTBOUND_ADDRESSES_MAX, OUTBOUND_RESOLVING_MAX};
use tokio::sync::Semaphore;

use crate::policy::means_this_machine;

pub type Resolving = BoxFuture<'static, io::Result<Vec<IpAddr>>>;

/// Resolves a name once. Tests bring their own.
pub trait Resolve: fmt::Debug + Send + Sync {
    fn resolve(&self, name: &str) -> Resolving;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

/// Over all clients: the threads are the process's.
static LOOK_UPS: LazyLock<Arc<Semaphore>> =
    LazyLock::new(|| Arc::new(Semaphore::new(OUTBOUND_RESOLVING_MAX)));

impl Resolve for SystemResolver {
    fn resolve(&self, name: &str) -> Resolving {
        if means_this_machine(name) {
            let here = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            return futures::future::ok(here).boxed();
        }
        let name = name.to_owned();
        async move {
            let permit = Arc::clone(&LOOK_UPS).acquire_owned().await.map_err(io::Error::other)?;
            let look_up = move || {
                // Held until the thread is free again, also when nobody waits any more.
                let _permit = permit;
                let found = (name.as_str(), 0).to_socket_addrs()?;
                Ok(found.map(|address| address.ip()).take(OUTBOUND_ADDRESSES_MAX).collect())
            };
            tokio::task::spawn_blocking(look_up).await.map_err(io::Error::other)?
        }
        .boxed()
    }
}
