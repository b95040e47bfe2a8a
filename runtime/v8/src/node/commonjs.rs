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

#[op2(fast)]
#[smi]
pub(super) fn op_isobase_commonjs_kind(state: &mut OpState, #[string] specifier: &str) -> u32 {
    let kind = modules(state).with(specifier, |module| match &module.code {
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
    modules(state).with(specifier, |module| module.code.text().map(|text| text.to_string()))?
}
