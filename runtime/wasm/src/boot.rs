//! From bytes to a function that can take requests, and, where that fails, a sentence that says
//! what to do.

use isobase_base::{Failure, FailureKind};
use wasmtime::component::{Component, Linker};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use crate::state::State;

/// `\0asm`, then version and layer (WebAssembly binary format; the component model uses layer 1).
const MAGIC: &[u8] = b"\0asm";
const CORE_LAYER: [u8; 2] = [0, 0];
const HANDLER: &str = "wasi:http/incoming-handler";

/// Refuses what is no component before a compiler sees it.
pub(crate) fn check_header(bytes: &[u8]) -> Result<(), Failure> {
    if !bytes.starts_with(MAGIC) || bytes.len() < 8 {
        return Err(boot("the file is not WebAssembly: it does not begin with \\0asm"));
    }
    if bytes[6..8] == CORE_LAYER {
        return Err(boot(
            "the file is a WebAssembly core module, not a component, and cannot export \
             wasi:http/incoming-handler; build for wasm32-wasip2, or turn the module into a component \
             with `wasm-tools component new`",
        ));
    }
    Ok(())
}

/// Checks imports and exports, and makes instantiation cheap.
pub(crate) fn prepare(linker: &Linker<State>, component: &Component) -> Result<ProxyPre<State>, Failure> {
    let pre = linker.instantiate_pre(component).map_err(|error| unknown_import(&error))?;
    let engine = linker.engine();
    let component_type = component.component_type();
    let exports_handler = component_type.exports(engine).any(|(name, _)| interface(name) == HANDLER);
    if !exports_handler {
        let found: Vec<&str> = component_type.exports(engine).map(|(name, _)| name).collect();
        let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
        return Err(boot(format!(
            "the component does not export {HANDLER}, which every HTTP function must; it exports {found}. \
             With isobase-sdk, write `handler!(serve)`"
        )));
    }
    ProxyPre::new(pre)
        .map_err(|error| boot(format!("the component's {HANDLER} cannot be called: {}", chain(&error))))
}

fn unknown_import(error: &wasmtime::Error) -> Failure {
    boot(format!(
        "the component imports what this host does not offer: {}. A function may import WASI 0.2 \
         (wasi:cli, wasi:clocks, wasi:http, wasi:io, wasi:random) and isobase:host",
        chain(error)
    ))
}

pub(crate) fn not_compiled(error: &wasmtime::Error) -> Failure {
    boot(format!("the component does not compile: {}", chain(error)))
}

/// A failure of a first instance, told as a failed boot.
pub(crate) fn not_started(failure: Failure) -> Failure {
    match failure.kind {
        FailureKind::Overloaded | FailureKind::Host => failure,
        _ => boot(format!("the component does not start: {}", failure.detail)),
    }
}

pub(crate) fn boot(detail: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Boot, detail)
}

/// The interface without its version.
fn interface(name: &str) -> &str {
    name.split_once('@').map_or(name, |(interface, _)| interface)
}

fn chain(error: &wasmtime::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::check_header;

    #[test]
    fn what_is_no_component_is_named() {
        let said = |bytes: &[u8]| check_header(bytes).map_err(|failure| failure.detail);
        assert!(said(b"console.log()").unwrap_err().contains("not WebAssembly"));
        assert!(said(b"\0asm").unwrap_err().contains("not WebAssembly"));
        assert!(said(b"\0asm\x01\0\0\0").unwrap_err().contains("core module"));
        assert_eq!(said(b"\0asm\x0d\0\x01\0"), Ok(()));
    }
}
