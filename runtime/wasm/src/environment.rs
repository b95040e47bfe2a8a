//! `wasi:cli/environment`: the function's own variables, nothing of the host's. Shared by all
//! instances, so that a fresh one does not copy them.

use std::sync::Arc;

use wasmtime::component::{HasData, Linker};
use wasmtime_wasi::p2::bindings::cli::environment::{self, Host};

use crate::state::State;

/// Names and values, as `std::env::vars` shows them to the guest.
pub(crate) type Environment = Arc<[(String, String)]>;

struct Shown;

impl HasData for Shown {
    type Data<'a> = &'a mut Variables;
}

pub(crate) struct Variables(pub(crate) Environment);

impl Host for Variables {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.0.to_vec())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}

pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    environment::add_to_linker::<State, Shown>(linker, |state| &mut state.variables)
}
