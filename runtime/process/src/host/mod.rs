//! The host's side.
//!
//! - `engine.rs` decides which functions get a process, `shelf.rs` keeps some ready, `process.rs` starts, watches
//!   and ends them, `errors.rs` reads their last words.
//! - `worker.rs` is the pool's end of one, `requests.rs` how requests get there, `reports.rs` what it says.
//! - `connects.rs` answers its `connect`, by the names that `names.rs` has looked up for it, and `inward.rs` its
//!   requests to the project's own API.

mod connects;
mod engine;
mod errors;
mod inward;
mod names;
mod process;
mod reports;
mod requests;
mod shelf;
mod worker;

pub use engine::{ProcessConfig, ProcessEngine};
