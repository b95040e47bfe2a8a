//! Write a function for isobase in Rust.
//!
//! A function is a component for `wasm32-wasip2` that answers HTTP requests. It reaches the world
//! through its host: the database *as the caller of the request*, with row level security applied,
//! and HTTP. It never holds a credential.
//!
//! ```
//! use isobase_sdk::{Request, Response, handler};
//!
//! fn serve(request: Request) -> Response {
//!     Response::text(format!("hello from {}", request.path()))
//! }
//!
//! handler!(serve);
//! # fn main() {}
//! ```
//!
//! The package is a `cdylib`; `cargo build --target wasm32-wasip2 --release` makes the component.
//!
//! A handler may fail. A `Box<dyn Error>` goes to the function's log and the client reads a plain
//! 500:
//!
//! ```
//! use isobase_sdk::{Request, Response, caller, database, handler};
//!
//! fn serve(request: Request) -> Result<Response, Box<dyn std::error::Error>> {
//!     let id = request.query_value("id").unwrap_or_default();
//!     let todos = database::query("select title, done from todos where id = $1", (id,))?;
//!     let Some(todo) = todos.first() else { return Ok(Response::new(404)) };
//!     let title: String = todo.get("title")?;
//!     Ok(Response::text(format!("{} wants to {title}", caller::current().role)))
//! }
//!
//! handler!(serve);
//! # fn main() {}
//! ```
//!
//! The crate also compiles for the machine it is built on, so that the parts of a function that do
//! not ask the host for anything can be tested there: [`Request::builder`] makes requests, and
//! [`Response`] can be looked into. Calls to the host panic outside a host.

pub mod bindings;
mod body;
pub mod caller;
pub mod database;
mod fetch;
mod handler;
mod method;
pub mod queue;
pub mod realtime;
mod request;
mod response;
pub mod storage;
#[cfg(feature = "webhook")]
pub mod webhook;

pub use body::{Body, BodyError, Writer};
pub use fetch::{FetchError, Reply, fetch};
pub use method::Method;
pub use request::{Request, RequestBuilder};
pub use response::{Content, IntoResponse, Response, WriteBody};

/// What [`handler!`] expands to. Not for direct use.
#[doc(hidden)]
pub mod internal {
    pub use crate::handler::answer;
}
