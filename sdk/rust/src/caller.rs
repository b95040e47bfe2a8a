//! Who asked, and under which ids the host logs it.

use serde::de::DeserializeOwned;

use crate::bindings::isobase::host::caller as host;

/// The verified caller of the current request.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The Postgres role the host acts as: `anon`, `authenticated`, `service_role`, …
    pub role: String,
    /// The token's claims, a JSON object; `{"role":"anon"}` for a caller without a token.
    pub claims: String,
}

impl Principal {
    /// The claims as a type of your own.
    pub fn claims_as<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(&self.claims)
    }
}

/// The caller of the request being served.
pub fn current() -> Principal {
    let host::Principal { role, claims } = host::current();
    Principal { role, claims }
}

/// The request's id, a UUID: the same in the access log and in this function's log.
pub fn request_id() -> String {
    host::request_id()
}

/// The W3C Trace Context header to send to services this function calls.
pub fn traceparent() -> String {
    host::traceparent()
}
