//! What `require` (`js/node/commonjs.js`) asks about the function's modules.

use deno_core::{OpState, op2};
use isobase_engine::Code;

use super::resolve::SharedModules;

/// The same numbers as in `commonjs.js`.
const NOTHING: u32 = 0;
const SCRIPT: u32 = 1;
const COMMONJS: u32 = 2;
const JSON: u32 = 3;
const WASM: u32 = 4;

fn modules(state: &OpState) -> &SharedModules {
    state.borrow::<SharedModules>()
}

/// Looks at the module that `require` finds at a path. JSON that the function's own files require stands
/// beside the module that the same file is for an `import`, under a name of its own.
fn with<T>(state: &OpState, specifier: &str, look: impl Fn(&Code) -> T) -> Option<T> {
    let modules = modules(state);
    let required = specifier.ends_with(".json").then(|| format!("{specifier}?required"));
    required
        .and_then(|required| modules.with(&required, |module| look(&module.code)))
        .or_else(|| modules.with(specifier, |module| look(&module.code)))
}

#[op2(fast)]
#[smi]
pub(super) fn op_isobase_commonjs_kind(state: &mut OpState, #[string] specifier: &str) -> u32 {
    let kind = with(state, specifier, |code| match code {
        Code::Script(_) => SCRIPT,
        Code::CommonJs { .. } => COMMONJS,
        Code::Json(_) => JSON,
        Code::Wasm(_) => WASM,
    });
    kind.unwrap_or(NOTHING)
}

#[op2]
#[string]
pub(super) fn op_isobase_commonjs_main(state: &mut OpState) -> Option<String> {
    modules(state).main()
}

/// The specifier of a module, `node:…`, or nothing.
#[op2]
#[string]
pub(super) fn op_isobase_commonjs_resolve(
    state: &mut OpState,
    #[string] specifier: &str,
    #[string] referrer: &str,
) -> Option<String> {
    modules(state).require(specifier, referrer)
}

#[op2]
#[string]
pub(super) fn op_isobase_commonjs_text(state: &mut OpState, #[string] specifier: &str) -> Option<String> {
    with(state, specifier, |code| code.text().map(|text| text.to_string()))?
}
