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

/// A script wants to be told when the request is dropped. True if that has happened already.
#[op2(fast)]
pub(crate) fn op_isobase_watch_cancel(state: &mut OpState, #[smi] id: InvocationId) -> bool {
    state.borrow_mut::<Invocations>().get_mut(id).is_none_or(|invocation| {
        invocation.watched = true;
        invocation.cancelled
    })
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
