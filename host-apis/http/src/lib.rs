//! HTTP to the outside: where functions and the database may connect, and how.
//!
//! Two halves. [`EgressPolicy`] says which destinations are open; [`HttpClient`] sends under such a
//! policy and connects only to addresses that were checked, so that a name which resolves differently
//! a second time gains nothing. [`outbound`] sends what SQL asked for: `net.http_post` and database
//! webhooks, kept in a table until they are delivered.
//!
//! [`Inward`] is the way back in: a function's request to its own project needs no socket.
//!
//! This crate knows no engine. Engines hold a client per function; connections are never shared
//! between functions, whose policies differ.
//!
//! ```
//! use isobase_base::Egress;
//! use isobase_http::{EgressPolicy, Surroundings};
//!
//! let policy = EgressPolicy::production(Surroundings::default(), &Egress::Host);
//! assert!(policy.check_host("api.example.com", 443).is_ok());
//! assert!(policy.check_host("169.254.169.254", 80).is_err());
//! assert!(policy.check_host("[::ffff:10.0.0.1]", 80).is_err());
//! ```

mod address;
mod client;
mod connect;
mod inward;
mod network;
pub mod outbound;
mod policy;
mod resolve;

pub use address::{closed_networks, without};
pub use client::{ClientBody, HttpClient, SendError, tls, tls_with};
pub use inward::{GivenUp, Inward, OverBudget, OwnApi};
pub use network::{Network, Stance};
pub use policy::{Destination, EgressPolicy, Refusal, Surroundings};
pub use resolve::{Resolve, Resolving, SystemResolver};
