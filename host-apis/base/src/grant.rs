//! What a function's manifest grants it. Host APIs check these; guests cannot.

use std::sync::Arc;

use crate::EgressEntry;

/// As whom a function may use a host API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    None,
    /// As the caller of the request.
    Caller,
    /// As the caller, or as `service_role` where the function asks for it.
    Service,
}

/// Where a function may connect to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Egress {
    /// Wherever the host lets functions connect that declare nothing.
    #[default]
    Host,
    /// Only there. An empty list closes the network but for the project's own API.
    Listed(Arc<[EgressEntry]>),
}

/// The host APIs a function may use. By default each, as the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    pub database: Grant,
    pub egress: Egress,
    pub queue: Grant,
    pub realtime: Grant,
    pub storage: Grant,
}

impl Capabilities {
    /// The same grant for every host API, and the host's own rule for the network.
    pub fn all(grant: Grant) -> Self {
        Self { database: grant, egress: Egress::Host, queue: grant, realtime: grant, storage: grant }
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Self::all(Grant::Caller)
    }
}
