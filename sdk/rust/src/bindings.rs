//! The generated face of `sdk/wit`: what the host offers, as raw functions and resources. Use the
//! modules of this crate instead; these are public for what they do not cover.

#![allow(unsafe_code, reason = "the canonical ABI, generated")]
#![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]

wit_bindgen::generate!({
    path: "../wit",
    world: "isobase:host/http-function",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export",
    runtime_path: "::wit_bindgen::rt",
});
