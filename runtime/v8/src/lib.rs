//! The V8 room: functions in TypeScript and JavaScript.
//!
//! A function runs in an isolate of its own, and an isolate on a thread of its own, so that the
//! kernel keeps functions from stalling each other. Isolates start from a snapshot of the evaluated
//! web platform, and a few of them are kept ready: starting a function is loading its modules.
//!
//! The way of a request: [`V8Engine`] made a worker → the worker sends the request to its isolate's
//! thread (`worker.rs`) → the isolate's loop hands it to JavaScript (`isolate/serve.rs`,
//! `js/serve.js`) → operations read the request and send the response (`ops/`). Limits live in
//! `cpu.rs`, `memory.rs` and, for what native code computes beside V8, `native.rs`.
//!
//! Node's modules are in `node/`, the files that a function sees in `files/`, what debuggers need in `inspect/`.
//!
//! This crate knows no server but the inspector's own and no pool, and of functions no TypeScript: it is given plain modules.
//!
//! ```no_run
//! use isobase_v8::{V8Config, V8Engine};
//!
//! let engine = V8Engine::new(V8Config::new(".isobase/cache".into()))?;
//! # Ok::<(), isobase_v8::V8EngineError>(())
//! ```

// The one room that may: V8's C++ interface needs it. Every block says why it holds.
#![allow(unsafe_code)]
#![deny(clippy::undocumented_unsafe_blocks)]

mod blobs;
mod compiled;
mod cpu;
mod descriptors;
mod egress;
mod ender;
mod engine;
mod exercise;
mod extensions;
mod files;
mod fresh;
mod guest_log;
mod images;
mod inspect;
mod invocation;
mod isolate;
mod keeper;
mod loader;
mod memory;
mod native;
mod node;
mod ops;
mod permissions;
mod platform;
mod script_error;
mod scripts;
mod shelf;
mod snapshot;
mod sources;
mod stuck;
mod worker;

pub use engine::{V8Config, V8Engine, V8EngineError};
pub use images::SnapshotError;
pub use inspect::{InspectMode, Inspector, SourceFolders};
