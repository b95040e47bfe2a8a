//! Bounds on what one function may have open or on its way.

use deno_core::{OpState, op2};
use deno_error::JsErrorBox;
use isobase_base::limits;

use crate::descriptors;

/// Whether the function may open one more connection, for a request with `headers` header lines. Throws why
/// not. Requests, their bodies and sockets are resources until they are done with.
#[op2(fast)]
pub(crate) fn op_isobase_may_connect(state: &mut OpState, #[smi] headers: u32) -> Result<(), JsErrorBox> {
    let bound = limits::GUEST_HEADERS_MAX;
    if headers as usize > bound {
        return Err(JsErrorBox::type_error(format!(
            "the request has {headers} header lines; {bound} are allowed"
        )));
    }
    let bound = limits::V8_RESOURCES_MAX;
    if state.resource_table.len() >= bound {
        return Err(busy(format!(
            "this function has {bound} connections, requests and files open, as many as it may; close some first"
        )));
    }
    if descriptors::are_scarce() {
        return Err(busy("the host has too many connections open; try again later".to_owned()));
    }
    Ok(())
}

/// What messages between ports of one isolate may take while they wait, in bytes.
#[op2(fast)]
pub(crate) fn op_isobase_messages_max() -> u32 {
    limits::V8_MESSAGES_BYTES_MAX
}

fn busy(text: String) -> JsErrorBox {
    JsErrorBox::new("Busy", text)
}
