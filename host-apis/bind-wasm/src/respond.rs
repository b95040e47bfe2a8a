//! `isobase:host/respond`: answers whose body the guest never holds.

use http_body_util::{BodyExt, Full};
use isobase_base::Body;
use wasmtime::component::Resource;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::p2::types::{HostOutgoingResponse, HostResponseOutparam};

use crate::HostView;
use crate::bindings::respond::Host;
use crate::database::HeldBody;
use crate::storage::HeldContent;

impl Host for HostView<'_> {
    fn with_body(
        &mut self,
        out: Resource<HostResponseOutparam>,
        response: Resource<HostOutgoingResponse>,
        body: Resource<HeldBody>,
    ) -> wasmtime::Result<()> {
        let HeldBody { bytes } = self.table.delete(body)?;
        self.send(out, response, Full::new(bytes).map_err(|never| match never {}).boxed_unsync())
    }

    fn with_content(
        &mut self,
        out: Resource<HostResponseOutparam>,
        response: Resource<HostOutgoingResponse>,
        content: Resource<HeldContent>,
    ) -> wasmtime::Result<()> {
        // Without a body where the function has taken its stream.
        let body: Body = self.table.delete(content)?.body.unwrap_or_default();
        self.send(out, response, body.map_err(crate::body::broken).boxed_unsync())
    }
}

impl HostView<'_> {
    fn send(
        &mut self,
        out: Resource<HostResponseOutparam>,
        response: Resource<HostOutgoingResponse>,
        body: HyperOutgoingBody,
    ) -> wasmtime::Result<()> {
        let mut response = self.table.delete(response)?;
        let HostResponseOutparam { send } = self.table.delete(out)?;
        response.body = Some(body);
        send(Ok(response.try_into()?));
        Ok(())
    }
}
