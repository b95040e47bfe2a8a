//! The V8 room from outside: real isolates, the engine port only.

mod faults;
mod hello;
mod platform;
mod stream;
mod support;
