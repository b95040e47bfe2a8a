//! The front door of isobase: sockets, routes, keys and tokens.
//!
//! The gateway takes a request from a connection, finds out where it is bound for ([`routes`]) and
//! who sends it ([`keys`]), holds it to its bounds and hands it to the [`isobase_base::Invoker`].
//! It knows no engine, no database and no function. Newcomers start at [`stack`], which lists what
//! happens to a request in order; [`server`] is what happens to a connection.
//!
//! ```
//! use std::sync::Arc;
//!
//! use futures::future::BoxFuture;
//! use http::{Request, Response};
//! use isobase_base::{Access, Body, Context, Failure, Invoker, Target};
//! use isobase_gateway::{Gateway, GatewayConfig};
//!
//! struct Hello;
//!
//! impl Invoker for Hello {
//!     fn access(&self, _target: &Target) -> Option<Access> {
//!         Some(Access { verify_jwt: false })
//!     }
//!
//!     fn invoke(
//!         &self,
//!         target: Target,
//!         _request: Request<Body>,
//!         _context: Context,
//!     ) -> BoxFuture<'_, Result<Response<Body>, Failure>> {
//!         Box::pin(async move { Ok(Response::new(Body::from(format!("this is {target}")))) })
//!     }
//! }
//!
//! let gateway = Gateway::new(GatewayConfig::default(), Arc::new(Hello), Default::default()).unwrap();
//! # drop(gateway);
//! // gateway.serve(vec![listener], shutdown).await
//! ```

mod admin;
mod config;
mod gateway;
pub mod keys;
mod path;
mod peer;
mod refusal;
mod routes;
mod server;
mod stack;

pub use admin::{Admin, ReadyCheck};
pub use config::{GatewayConfig, GatewayLimits};
pub use gateway::Gateway;
pub use peer::Peer;
pub use server::Drained;
