//! V8 itself: its flags, and its initialisation.

use deno_core::{JsRuntime, v8};

use crate::{descriptors, stuck};

/// V8's flags beyond those that `deno_core` sets; part of the snapshot's name.
///
/// `wasm-max-mem-pages` bounds what one WebAssembly memory can be grown to (1 GiB): such memory is
/// not taken from the allocator that counts buffers, so it needs a bound of its own. Without
/// `no-memory-pool-share…`, pages of an ended isolate wait for another one, and stay resident when
/// none comes.
pub(crate) const FLAGS: &str = "--wasm-max-mem-pages=16384 --no-memory-pool-share-memory-on-teardown";

/// Once per process; later calls have no effect.
///
/// V8 protects its code pages with memory protection keys, whose rights a thread inherits from the
/// one that starts it: only threads descended from the caller may run isolates. That is why one
/// thread, the [keeper](crate::keeper), initialises V8 and starts every isolate's thread.
pub(crate) fn initialise() {
    // The platform's TLS takes the process's provider. Whoever was first decides; any will do.
    let _ = deno_tls::rustls::crypto::aws_lc_rs::default_provider().install_default();
    stuck::install();
    descriptors::raise();
    v8::V8::set_flags_from_string(FLAGS);
    JsRuntime::init_platform(None);
}
