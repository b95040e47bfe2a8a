//! `isobase:host/caller`: who asked.

use crate::HostView;
use crate::bindings::caller::{Host, Principal};

impl Host for HostView<'_> {
    fn current(&mut self) -> wasmtime::Result<Principal> {
        let principal = &self.host.context.principal;
        Ok(Principal {
            role: principal.role().as_str().to_owned(),
            claims: principal.claims_json().to_owned(),
        })
    }

    fn request_id(&mut self) -> wasmtime::Result<String> {
        Ok(self.host.context.request_id.to_string())
    }

    fn traceparent(&mut self) -> wasmtime::Result<String> {
        Ok(self.host.context.trace.to_string())
    }
}
