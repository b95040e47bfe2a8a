//! Bytes to and from the server: sockets, buffers, the log-in, the cancel request.
//!
//! Knows the protocol's messages (<https://www.postgresql.org/docs/current/protocol.html>) and
//! nothing of transactions, roles or statements.

mod address;
mod buffers;
mod cancel;
mod login;
mod socket;

pub(crate) use address::Address;
pub(crate) use buffers::{Arrival, Wire, WireError};
pub(crate) use cancel::CancelKey;
pub(crate) use login::{ConnectError, Login, Welcome};
