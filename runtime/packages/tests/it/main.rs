//! Packages from a registry on the loopback interface.

mod installing;
mod registry;
mod remote;
