//! Source mode against real folders: what is published for which files, and when.

mod crates;
mod graphs;
mod packages;
mod real_packages;
#[path = "../../../packages/tests/it/registry.rs"]
mod registry;
mod remote;
mod secrets;
mod settings;
mod stand;
mod watching;
