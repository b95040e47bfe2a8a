//! `isobase:host/respond`: answers whose body the guest never holds.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use isobase_base::Body;
use wasmtime::component::Resource;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::p2::types::{HostOutgoingResponse, HostResponseOutparam};

use crate::HostView;
use crate::bindings::respond::Host;
use crate::database::HeldBody;
use crate::storage::HeldContent;

/// A body that the host sends by itself. It is among the extensions of a response, whose own body is
/// empty, so that an engine can pass it on as what it is.
#[derive(Clone)]
pub struct HostBody(Arc<Mutex<Option<Body>>>);

impl HostBody {
    fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Some(body))))
    }

    /// The body of `response`, if it is of this kind.
    pub fn take<B>(response: &mut http::Response<B>) -> Option<Body> {
        let Self(body) = response.extensions_mut().remove()?;
        body.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The same body for a response that its guest still works on.
    pub fn outgoing(body: Body) -> HyperOutgoingBody {
        body.map_err(crate::body::broken).boxed_unsync()
    }
}

impl Host for HostView<'_> {
    fn with_body(
        &mut self,
        out: Resource<HostResponseOutparam>,
        response: Resource<HostOutgoingResponse>,
        body: Resource<HeldBody>,
    ) -> wasmtime::Result<()> {
        let HeldBody { content } = self.table.delete(body)?;
        match content.into_body() {
            Body::Empty => self.send(out, response, full(Bytes::new()), None),
            Body::Full(bytes) => self.send(out, response, full(bytes), None),
            body @ (Body::Stream(_) | Body::FromHost(_)) => {
                self.send(out, response, full(Bytes::new()), Some(HostBody::new(body)))
            }
        }
    }

    fn with_content(
        &mut self,
        out: Resource<HostResponseOutparam>,
        response: Resource<HostOutgoingResponse>,
        content: Resource<HeldContent>,
    ) -> wasmtime::Result<()> {
        // Without a body where the function has taken its stream.
        let body: Body = self.table.delete(content)?.body.unwrap_or_default();
        self.send(out, response, HostBody::outgoing(body), None)
    }
}

impl HostView<'_> {
    fn send(
        &mut self,
        out: Resource<HostResponseOutparam>,
        response: Resource<HostOutgoingResponse>,
        body: HyperOutgoingBody,
        handed: Option<HostBody>,
    ) -> wasmtime::Result<()> {
        let mut response = self.table.delete(response)?;
        let HostResponseOutparam { send } = self.table.delete(out)?;
        response.body = Some(body);
        let mut response: http::Response<_> = response.try_into()?;
        if let Some(handed) = handed {
            response.extensions_mut().insert(handed);
        }
        send(Ok(response));
        Ok(())
    }
}

fn full(bytes: Bytes) -> HyperOutgoingBody {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}
