//! Leaving HTTP: the connection behind a 101 becomes a WebSocket of the platform, or Node's.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use deno_core::{OpState, ResourceId, op2};
use deno_error::JsErrorBox;
use deno_net::io::UnixStreamResource;
use deno_net::raw::NetworkStream;
use isobase_base::{Upgrade, UpgradedIo, websocket};
use tokio::net::UnixStream;

use crate::invocation::{InvocationId, Invocations};

/// `Sec-WebSocket-Accept` for a client's key.
#[op2]
#[string]
pub(crate) fn op_isobase_websocket_accept(#[string] key: &str) -> String {
    websocket::accept_key(key)
}

/// Takes the connection of the request; resolves with a WebSocket's resource once the 101 was sent.
#[op2]
#[smi]
pub(crate) async fn op_isobase_upgrade(
    state: Rc<RefCell<OpState>>,
    #[smi] id: InvocationId,
) -> Result<ResourceId, JsErrorBox> {
    let stream = NetworkStream::Unix(take(&state, id).await?);
    let mut state = state.borrow_mut();
    Ok(deno_websocket::ws_create_server_stream(&mut state, stream, Bytes::new()))
}

/// The same, but resolves with the bare connection, for servers that speak a protocol of their own on it.
#[op2]
#[smi]
pub(crate) async fn op_isobase_upgrade_bare(
    state: Rc<RefCell<OpState>>,
    #[smi] id: InvocationId,
) -> Result<ResourceId, JsErrorBox> {
    let stream = take(&state, id).await?;
    Ok(state.borrow_mut().resource_table.add(UnixStreamResource::new(stream.into_split())))
}

async fn take(state: &Rc<RefCell<OpState>>, id: InvocationId) -> Result<UnixStream, JsErrorBox> {
    let pending = {
        let mut state = state.borrow_mut();
        let invocation = state.borrow_mut::<Invocations>().get_mut(id);
        let invocation = invocation.ok_or_else(|| JsErrorBox::type_error("the request is over"))?;
        let pending = invocation.head.extensions.get::<Upgrade>().and_then(Upgrade::take);
        invocation.upgrading = pending.is_some();
        pending.ok_or_else(|| JsErrorBox::type_error("this connection cannot be upgraded, or was already"))?
    };
    let connection = pending.await.map_err(|error| JsErrorBox::new("Http", error.to_string()));
    let bridged = connection.and_then(|connection| bridge(state.clone(), id, connection));
    if bridged.is_err() {
        state.borrow_mut().borrow_mut::<Invocations>().body_ended(id);
    }
    bridged
}

/// The platform's sockets take none of our connections, so bytes go through a local pair. The
/// invocation lasts until either side closes.
fn bridge(
    state: Rc<RefCell<OpState>>,
    id: InvocationId,
    mut connection: Box<dyn UpgradedIo>,
) -> Result<UnixStream, JsErrorBox> {
    let (mut near, far) = UnixStream::pair().map_err(JsErrorBox::from_err)?;
    deno_core::unsync::spawn(async move {
        // A connection that breaks is a connection that ends: the socket's `close` event tells.
        let _ = tokio::io::copy_bidirectional(&mut connection, &mut near).await;
        state.borrow_mut().borrow_mut::<Invocations>().body_ended(id);
    });
    Ok(far)
}
