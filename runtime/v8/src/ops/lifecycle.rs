//! The life of an invocation and of its isolate.

use deno_core::{OpState, op2, v8};

use crate::invocation::{InvocationId, Invocations};

/// Set once the function has registered a handler.
#[derive(Default)]
pub(crate) struct HandlerRegistered(pub(crate) bool);

#[op2(fast)]
pub(crate) fn op_isobase_registered(state: &mut OpState) {
    state.borrow_mut::<HandlerRegistered>().0 = true;
}

#[op2(fast)]
pub(crate) fn op_isobase_is_cancelled(state: &OpState, #[smi] id: InvocationId) -> bool {
    state.borrow::<Invocations>().get(id).is_none_or(|invocation| invocation.cancelled)
}

/// A promise was given to `waitUntil`; false when the invocation is over.
#[op2(fast)]
pub(crate) fn op_isobase_keep(state: &mut OpState, #[smi] id: InvocationId) -> bool {
    state.borrow_mut::<Invocations>().keep(id)
}

/// That promise settled.
#[op2(fast)]
pub(crate) fn op_isobase_let_go(state: &mut OpState, #[smi] id: InvocationId) {
    state.borrow_mut::<Invocations>().let_go(id);
}

#[op2]
#[string]
pub(crate) fn op_isobase_v8_version() -> &'static str {
    v8::V8::get_version()
}
