//! A function that cannot start says what is wrong and what to do.

use isobase_base::FailureKind;
use isobase_engine::{Engine, Limits, Reuse};
use isobase_guests::COMPONENT;

use crate::harness::{engine, function, limits};

/// `\0asm`, version 13, layer 1: a component with nothing in it.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
/// Imports a function called `launch` that takes and returns nothing.
const UNKNOWN_IMPORT: &[u8] = b"\0asm\x0d\0\x01\0\x07\x05\x01\x40\0\x01\0\x0a\x0b\x01\0\x06launch\x01\0";

async fn refused(bytes: &'static [u8], limits: Limits) -> String {
    let booted = engine().boot(function(bytes, Reuse::Fresh, limits)).await;
    let Err(failure) = booted else { panic!("it booted") };
    assert_eq!(failure.kind, FailureKind::Boot, "{failure}");
    failure.detail
}

#[tokio::test]
async fn what_cannot_run_is_refused_with_a_reason() {
    for (bytes, parts) in [
        (&b"export default {}"[..], &["not WebAssembly"][..]),
        (CORE_MODULE, &["core module", "wasm32-wasip2"]),
        (EMPTY, &["does not export wasi:http/incoming-handler", "it exports nothing"]),
        (UNKNOWN_IMPORT, &["`launch`", "isobase:host"]),
        (&COMPONENT[..COMPONENT.len() / 2], &["does not compile"]),
    ] {
        let detail = refused(bytes, limits()).await;
        for part in parts {
            assert!(detail.contains(part), "{part:?} is not in {detail:?}");
        }
    }
}

#[tokio::test]
async fn a_component_too_large_for_its_limit_does_not_boot() {
    let detail = refused(COMPONENT, Limits { memory_bytes_max: 64 << 10, ..limits() }).await;
    assert!(detail.contains("memory"), "{detail}");
}
