//! What travels with a request from the gateway into every host API it reaches.

use std::net::IpAddr;
use std::time::Instant;

use crate::{Principal, RequestId, TraceContext};

/// The circumstances of one invocation. Typed, never re-read from headers after the gateway.
#[derive(Clone, Debug)]
pub struct Context {
    pub request_id: RequestId,
    pub trace: TraceContext,
    pub principal: Principal,
    /// When the answer is worth nothing any more. Every wait inside the host is bounded by it.
    pub deadline: Instant,
    pub client: Client,
}

/// The peer at the other end of the socket.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    pub address: IpAddr,
}
