//! The gateway over real sockets, with an invoker that is part of the test.

mod access;
mod admin;
mod attacks;
mod bodies;
mod client;
mod connections;
mod cors;
mod functions;
mod harness;
mod heads;
mod http2;
mod keyring;
mod routing;
mod upgrade;
