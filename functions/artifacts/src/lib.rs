//! The built-in functions as WebAssembly components, embedded in the binary.
//!
//! They are compiled from `functions/` by this crate's build script, for `wasm32-wasip2`, and
//! run by the same pool and under the same limits as a user's functions.

/// The data API, `/rest/v1`.
pub const REST: &[u8] = include_bytes!(env!("ISOBASE_REST"));

#[cfg(test)]
mod tests {
    #[test]
    fn built_ins_are_components() {
        assert!(super::REST.starts_with(b"\0asm\x0d\0\x01\0"));
    }
}
