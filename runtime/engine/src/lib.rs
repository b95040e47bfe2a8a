//! The port where everything that runs functions meets.
//!
//! An [`Engine`] turns a [`Function`] into a [`Worker`]; the pool keeps workers and hands them
//! requests. This crate knows no V8 and no wasmtime, and the pool knows only this crate.

mod function;
mod limits;
mod publish;
mod usage;
mod worker;

pub use function::{Artifact, Code, Function, FunctionVersion, Module, Program, Reuse};
pub use limits::Limits;
pub use publish::{Absent, Publication, Publish, Stage};
pub use usage::Usage;
pub use worker::{Engine, Retirement, Worker};
