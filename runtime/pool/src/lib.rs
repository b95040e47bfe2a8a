//! Keeps workers and hands them requests.
//!
//! The pool stands between whoever has a request ([`isobase_base::Invoker`]) or a new version
//! ([`isobase_engine::Publish`]) and the engines. It knows only the `Worker` port: no V8, no
//! wasmtime. Built-ins and user functions are the same to it.
//!
//! In the order a request meets them:
//! - [`Pool`] finds the *lane* of the target, without a lock shared by functions;
//! - the lane (`lane.rs`, its rules in `decisions.rs`) gives it a place in the least loaded worker, or a place in a bounded
//!   queue while another worker boots (`boot.rs`: single-flight, bounded per function and in
//!   total, room made by evicting the worker that was idle longest);
//! - the invocation (`invocation.rs`) runs under its clocks, and keeps its place until the last
//!   byte of the response (`held.rs`);
//! - `housekeeping.rs` retires what nobody uses, and `pressure.rs` sooner where all hold too much memory.
//!
//! A worker that fails takes down only its own invocations: requests that wait get the next one.
//! A publication replaces a function at once; what runs finishes on the version it began with.
//!
//! ```
//! use isobase_base::{FunctionSlug, Invoker, Target, observe::Observer};
//! use isobase_pool::{Pool, PoolConfig};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let pool = Pool::new(Vec::new(), PoolConfig::default(), Observer::default());
//! let target = Target::user(FunctionSlug::parse("hello").unwrap());
//! assert_eq!(pool.access(&target), None);
//! # });
//! ```

mod boot;
mod config;
mod decisions;
mod held;
mod housekeeping;
mod invocation;
mod lane;
mod machine;
mod pool;
mod pressure;
mod running;
mod seats;
mod upgraded;

pub use config::PoolConfig;
pub use lane::LaneStatus;
pub use pool::Pool;
