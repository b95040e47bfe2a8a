//! The V8 room from outside: real isolates, the engine port only.

mod commonjs;
mod database;
mod density;
mod egress;
mod faults;
mod files;
mod hello;
mod hostile;
mod lifecycle;
mod models;
mod node;
mod node_network;
mod outbound;
mod platform;
mod postgres;
mod reports;
mod stream;
mod stuck;
mod support;
mod tampering;
mod websocket;
