//! End-to-end tests: the real binary, a real Postgres, real clients. One module per surface.

mod app;
mod client;
mod commands;
mod compat;
mod cron;
mod debugger;
mod deploy;
mod deployed_triggers;
mod dev_loop;
mod edge_runtime;
mod faults;
mod functions;
mod functions_js;
mod hostile;
mod inspector;
mod lifecycle;
mod limits;
mod logs;
mod outbound;
mod own_calls;
mod packages;
mod parity;
mod queue;
mod real_packages;
mod realtime;
mod receiver;
#[path = "../../runtime/packages/tests/it/registry.rs"]
mod registry;
mod remote;
mod rest;
mod secrets;
mod storage;
mod storage_faults;
mod supabase_cli;
mod supabase_js;
mod webhooks;
