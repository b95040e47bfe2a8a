//! Policies and connections, with names that resolve as each test wants.

mod client;
mod policy;
