//! Builds the built-in functions from source, so that no built file is committed and a plain
//! `cargo build` makes the whole host.

#[path = "build/component.rs"]
mod component;

fn main() {
    component::watch(&["Cargo.toml", "functions/artifacts/build", "functions/rest", "sdk/rust", "sdk/wit"]);
    let rest = component::build("isobase-rest");
    println!("cargo::rustc-env=ISOBASE_REST={}", rest.display());
}
