//! Builds this package a second time, as a component, for the tests that embed it.

#[path = "../../functions/artifacts/build/component.rs"]
mod component;

fn main() {
    // The inner build runs this script too; it has nothing to embed.
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family.contains("wasm")) {
        return;
    }
    component::watch(&["Cargo.toml", "functions/artifacts/build", "tests/guests", "sdk/rust", "sdk/wit"]);
    let guests = component::build("isobase-guests");
    println!("cargo::rustc-env=ISOBASE_GUESTS={}", guests.display());
}
