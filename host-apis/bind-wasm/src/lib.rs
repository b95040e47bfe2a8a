//! The host's side of `isobase:host`: what a WebAssembly function imports, bound to the host APIs.
//!
//! A binding holds no behaviour. It moves arguments into the words of a host API, calls it as the
//! caller of the request, and moves the answer back; what is allowed is decided in the host API.
//! The JavaScript binding does the same for V8, and both are held equal by tests.
//!
//! An engine keeps a [`Host`] in each store and registers the imports with [`add_to_linker`].

mod bindings;
mod body;
mod caller;
mod database;
mod host;
mod queue;
mod realtime;
mod respond;
mod storage;

pub use bindings::add_to_linker;
pub use host::{Doors, Host, HostView};
pub use respond::HostBody;
