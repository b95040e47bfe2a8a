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
mod rest;
mod storage;
mod storage_faults;
mod supabase_js;
