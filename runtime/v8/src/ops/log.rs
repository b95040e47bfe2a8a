//! The console.

use std::cell::RefCell;
use std::rc::Rc;

use deno_core::{OpState, op2, v8};
use isobase_base::observe::GuestLevel;

use crate::guest_log::GuestLog;
use crate::invocation::{InvocationId, Invocations};
use crate::script_error;

/// One line. `id` is zero outside of any request; levels are the console's.
#[op2(fast)]
pub(crate) fn op_isobase_log(
    state: &mut OpState,
    #[smi] id: InvocationId,
    #[smi] level: u32,
    #[string] message: &str,
) {
    let level = match level {
        0 => GuestLevel::Debug,
        1 => GuestLevel::Info,
        2 => GuestLevel::Warn,
        _ => GuestLevel::Error,
    };
    write(state, id, level, message);
}

/// An error that nobody else will see, with its stack in terms of the function's own sources.
#[op2(fast)]
pub(crate) fn op_isobase_log_error<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: Rc<RefCell<OpState>>,
    #[smi] id: InvocationId,
    error: v8::Local<'s, v8::Value>,
) {
    let text = script_error::describe(scope, error);
    write(&mut state.borrow_mut(), id, GuestLevel::Error, &text);
}

/// A line of the function's log, under the request it belongs to.
pub(super) fn write(state: &mut OpState, id: InvocationId, level: GuestLevel, message: &str) {
    let request_id = state.borrow::<Invocations>().get(id).map(|invocation| invocation.request_id);
    state.borrow_mut::<GuestLog>().write(request_id, level, message);
}
