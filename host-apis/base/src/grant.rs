//! What a function's manifest grants it. Host APIs check these; guests cannot.

/// As whom a function may use a host API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    None,
    /// As the caller of the request.
    Caller,
    /// As the caller, or as `service_role` where the function asks for it.
    Service,
}

/// The host APIs a function may use. By default each, as the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    pub database: Grant,
    pub queue: Grant,
    pub realtime: Grant,
    pub storage: Grant,
}

impl Capabilities {
    /// The same grant for every host API.
    pub fn all(grant: Grant) -> Self {
        Self { database: grant, queue: grant, realtime: grant, storage: grant }
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Self::all(Grant::Caller)
    }
}
