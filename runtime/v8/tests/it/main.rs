//! The V8 room from outside: real isolates, the engine port only.

mod database;
mod density;
mod egress;
mod faults;
mod hello;
mod lifecycle;
mod models;
mod outbound;
mod platform;
mod postgres;
mod reports;
mod stream;
mod support;
mod websocket;
