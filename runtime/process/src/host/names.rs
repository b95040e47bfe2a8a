//! Names that the host has looked up for a process, and whether an address that it wants to connect to is open:
//! as such, or because a name that is open led there.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use isobase_base::limits::{PROCESS_NAMED_ADDRESSES_MAX, PROCESS_NAMES_WAITING_MAX, PROCESS_RESOLVING_MAX};
use isobase_http::{Destination, EgressPolicy, Refusal, Resolve};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The network as one function may use it.
pub(super) struct Names {
    policy: EgressPolicy,
    resolver: Arc<dyn Resolve>,
    at_once: Semaphore,
    /// Answers that are looked up, or that the process has not taken.
    waiting: Arc<Semaphore>,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    names: HashMap<IpAddr, Vec<String>>,
    /// In the order they were found.
    order: VecDeque<IpAddr>,
}

/// Names that share an address, beyond which the oldest is forgotten.
const NAMES_PER_ADDRESS_MAX: usize = 16;

impl Names {
    pub(super) fn new(policy: EgressPolicy, resolver: Arc<dyn Resolve>) -> Self {
        let at_once = Semaphore::new(PROCESS_RESOLVING_MAX);
        let waiting = Arc::new(Semaphore::new(PROCESS_NAMES_WAITING_MAX));
        Self { policy, resolver, at_once, waiting, found: Mutex::default() }
    }

    /// Room for one more question, until its answer is taken.
    pub(super) fn room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.waiting).try_acquire_owned().ok()
    }

    /// Looks `name` up, if the function may use it at any port.
    pub(super) async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let is_listed =
            self.policy.listed().is_none_or(|entries| entries.iter().any(|entry| entry.place.names(&name)));
        let is_own = self.policy.surroundings().gateway.is_some() && name == "localhost";
        if !is_listed && !is_own {
            return Err(format!("{name} is not on this function's egress list"));
        }
        let _permit = self.at_once.acquire().await.map_err(|error| error.to_string())?;
        let found = self.resolver.resolve(&name).await.map_err(|error| error.to_string())?;
        self.found.lock().remember(&name, &found);
        Ok(found)
    }

    /// Where to connect for `address`: there, or where the project's own API is.
    pub(super) fn judge(&self, address: SocketAddr) -> Result<SocketAddr, Refusal> {
        let (ip, port) = (address.ip().to_canonical(), address.port());
        let written = match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let refusal = match self.policy.check_host(&written, port) {
            Ok(Destination::Gateway(there) | Destination::Address(there)) => return Ok(there),
            Ok(Destination::Name(..)) => Refusal::NoName(written),
            Err(refusal) => refusal,
        };
        let names = self.found.lock().names.get(&ip).cloned().unwrap_or_default();
        let is_open = |name: &String| {
            let named = matches!(self.policy.check_host(name, port), Ok(Destination::Name(..)));
            named && self.policy.admits(name, SocketAddr::new(ip, port)).is_ok()
        };
        if names.iter().any(is_open) { Ok(SocketAddr::new(ip, port)) } else { Err(refusal) }
    }
}

impl Found {
    fn remember(&mut self, name: &str, addresses: &[IpAddr]) {
        for address in addresses {
            let address = address.to_canonical();
            if !self.names.contains_key(&address) {
                self.order.push_back(address);
            }
            let names = self.names.entry(address).or_default();
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
            if names.len() > NAMES_PER_ADDRESS_MAX {
                names.remove(0);
            }
        }
        while self.order.len() > PROCESS_NAMED_ADDRESSES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::IpAddr;
    use std::sync::Arc;

    use futures::FutureExt as _;
    use isobase_base::Egress;
    use isobase_http::{EgressPolicy, Resolve, Resolving, Surroundings};

    use super::Names;

    #[derive(Debug)]
    struct Fixed;

    impl Resolve for Fixed {
        fn resolve(&self, name: &str) -> Resolving {
            let address: Option<IpAddr> = match name {
                "api.example.com" => Some([93, 184, 216, 34].into()),
                "inside.example.com" => Some([10, 0, 0, 1].into()),
                _ => None,
            };
            futures::future::ready(address.map(|one| vec![one]).ok_or(io::ErrorKind::NotFound.into())).boxed()
        }
    }

    fn names(egress: &[&str]) -> Names {
        let gateway = Some("127.0.0.1:54321".parse().unwrap());
        let surroundings = Surroundings { gateway, closed_ports: vec![9000] };
        let egress = Egress::Listed(egress.iter().map(|entry| entry.parse().unwrap()).collect());
        Names::new(EgressPolicy::production(surroundings, &egress), Arc::new(Fixed))
    }

    #[tokio::test]
    async fn an_address_is_open_once_its_name_was_looked_up() {
        let names = names(&["*.example.com:443", "10.9.0.0/16"]);
        let judged = |address: &str| names.judge(address.parse().unwrap()).map(|there| there.to_string());
        assert!(judged("93.184.216.34:443").is_err());
        names.resolve("API.example.com.").await.unwrap();
        assert_eq!(judged("93.184.216.34:443").unwrap(), "93.184.216.34:443");
        assert_eq!(judged("[::ffff:93.184.216.34]:443").unwrap(), "93.184.216.34:443");
        assert!(judged("93.184.216.34:80").is_err());
        names.resolve("inside.example.com").await.unwrap();
        assert!(judged("10.0.0.1:443").is_err());
        assert_eq!(judged("10.9.8.7:5432").unwrap(), "10.9.8.7:5432");
        assert!(names.resolve("example.org").await.is_err());
    }

    #[test]
    fn the_own_api_is_open_and_the_hosts_ports_are_not() {
        let names = names(&["127.0.0.1"]);
        let judged = |address: &str| names.judge(address.parse().unwrap()).map(|there| there.to_string());
        assert_eq!(judged("[::1]:54321").unwrap(), "127.0.0.1:54321");
        assert_eq!(judged("127.0.0.1:5432").unwrap(), "127.0.0.1:5432");
        assert!(judged("127.0.0.1:9000").is_err());
        assert!(judged("169.254.169.254:80").is_err());
    }
}
