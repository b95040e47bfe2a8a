//! End-to-end tests: the real binary, a real Postgres, real clients. One module per surface.

mod app;
mod client;
mod commands;
mod compat;
mod faults;
mod functions;
mod lifecycle;
mod limits;
mod parity;
mod realtime;
mod rest;
mod supabase_js;
mod webhooks;
