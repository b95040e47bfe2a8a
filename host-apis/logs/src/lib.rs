//! The functions' log: what they write to their consoles, and a row for each invocation with what it
//! cost, in Postgres.
//!
//! [`FunctionLogs`] is the [`isobase_base::observe::Journal`] that the host's rooms report to. It takes
//! an entry without waiting, or counts it as dropped when its queue is full: a function never waits
//! for its log. One task writes batches with COPY into a table for each day (`days.rs`), so that old
//! days are dropped as whole tables and never deleted row by row.
//!
//! [`LogReader`] reads them from any process, and [`LogFollower`] follows them: writers `NOTIFY` on
//! [`CHANNEL`].

mod days;
mod entry;
mod error;
mod follower;
mod reader;
mod writer;

pub use entry::{EntryEvent, LoggedEntry};
pub use error::LogsError;
pub use follower::LogFollower;
pub use reader::{LogCursor, LogQuery, LogReader, OVERLAP};
pub use writer::{FunctionLogs, LogsConfig};

/// What `NOTIFY` is sent on after each batch.
pub const CHANNEL: &str = "isobase_function_logs";
