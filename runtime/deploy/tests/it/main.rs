//! Source mode against real folders: what is published for which files, and when.

mod crates;
mod graphs;
mod secrets;
mod settings;
mod stand;
mod watching;
