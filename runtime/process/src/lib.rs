//! The process room: functions that have a process of their own, besides V8's sandbox.
//!
//! V8 keeps functions apart until somebody finds a defect in it, and gives up the whole process where it cannot
//! go on. A function with `isolation = "process"` has its isolate in a child of the host, which the kernel
//! keeps from everything but its own memory and the sockets it was given: it has no files, starts no programs,
//! sees no other process, and connects only where the host connects it.
//!
//! The way of a request: [`ProcessEngine`] boots a worker as any engine does → the worker sends the request as
//! HTTP/1.1 over a socket pair (`host/requests.rs`) → the process hands it to the engine it has inside
//! (`inside/requests.rs`), which is the one that the host runs the other functions on. So bodies stream, hold
//! each other back and break off by themselves, and connections leave HTTP, without a protocol of ours. What is
//! said besides goes over a second pair (`wire/`).
//!
//! - `host/` is the host's side, `inside/` the process's, `sandbox/` what the kernel enforces.
//!
//! This crate knows no V8: [`serve`] is given the engine. Linux only, since the kernel does the work.

// The kernel's calls for this have no safe names. Every block says why it holds.
#![allow(unsafe_code)]
#![deny(clippy::undocumented_unsafe_blocks)]

mod descriptors;
mod host;
mod inside;
pub mod sandbox;
mod wire;

pub use host::{ProcessConfig, ProcessEngine};
pub use inside::{Room, ServeError, serve};
