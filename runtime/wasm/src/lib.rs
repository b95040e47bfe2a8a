//! Runs functions that are WebAssembly components, with wasmtime.
//!
//! One [`WasmEngine`] serves all functions. A function's code is compiled once and kept on disk
//! ([`cache`]); a request gets a fresh instance, or, for built-ins, an instance that served others
//! before ([`worker`]). An invocation is one future: the guest runs while somebody awaits the
//! response or reads its body, and ends when they stop ([`invocation`]). No task is spawned and no
//! byte of a body crosses a channel twice.
//!
//! What a guest may use up is enforced here: CPU time by the clock of the thread it runs on
//! ([`cpu`]), memory by refusing to grow ([`memory`]), log lines by rate ([`guest_log`]). Wall clock
//! and concurrency are the pool's.
//!
//! ```
//! use isobase_wasm::{WasmConfig, WasmEngine};
//! use isobase_engine::Engine;
//!
//! let engine = WasmEngine::new(WasmConfig::default()).unwrap();
//! assert_eq!(engine.name(), "wasm");
//! ```

mod boot;
mod cache;
mod cpu;
mod engine;
mod environment;
mod fault;
mod guest_log;
mod instance;
mod invocation;
mod memory;
mod outbound;
mod settings;
mod state;
mod ticker;
mod worker;

pub use engine::{StartError, WasmConfig, WasmEngine};
