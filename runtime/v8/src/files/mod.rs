//! The disk that a function sees: its own files, which nobody can change, and a private `/tmp` in memory.
//!
//! Nothing here touches the host's disk, and this is the only file system that an isolate's operations
//! are given; [`crate::node::judged`] refuses those that would go past it. That is why the permissions of
//! an isolate may let every path through ([`crate::permissions`]).

mod content;
mod disk;
mod open;
mod system;

pub(crate) use disk::Disk;
pub(crate) use system::IsolateFiles;
