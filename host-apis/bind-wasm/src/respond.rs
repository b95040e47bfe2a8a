//! `isobase:host/respond`: answers whose body the guest never holds.

use http_body_util::{BodyExt, Full};
use wasmtime::component::Resource;
use wasmtime_wasi_http::p2::types::{HostOutgoingResponse, HostResponseOutparam};

use crate::HostView;
use crate::bindings::respond::Host;
use crate::database::HeldBody;

impl Host for HostView<'_> {
    fn with_body(
        &mut self,
        out: Resource<HostResponseOutparam>,
        response: Resource<HostOutgoingResponse>,
        body: Resource<HeldBody>,
    ) -> wasmtime::Result<()> {
        let HeldBody { bytes } = self.table.delete(body)?;
        let mut response = self.table.delete(response)?;
        let HostResponseOutparam { send } = self.table.delete(out)?;
        response.body = Some(Full::new(bytes).map_err(|never| match never {}).boxed_unsync());
        send(Ok(response.try_into()?));
        Ok(())
    }
}
