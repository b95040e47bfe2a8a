//! Reading the request's head.

use std::borrow::Cow;

use deno_core::{OpState, op2, v8};
use deno_error::JsErrorBox;
use http::HeaderMap;

use crate::invocation::{Invocation, InvocationId, Invocations};

fn invocation(state: &OpState, id: InvocationId) -> Result<&Invocation, JsErrorBox> {
    state.borrow::<Invocations>().get(id).ok_or_else(|| {
        JsErrorBox::type_error("the request is over; read what you need of it before it is answered")
    })
}

/// The URL as the function sees it, absolute. The gateway hands over an absolute URI; the `Host`
/// header fills in for one in origin form.
#[op2]
#[string]
pub(crate) fn op_isobase_request_url(state: &OpState, #[smi] id: InvocationId) -> Result<String, JsErrorBox> {
    let head = &invocation(state, id)?.head;
    if head.uri.scheme().is_some() {
        return Ok(head.uri.to_string());
    }
    let host =
        head.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    Ok(format!("http://{host}{path}"))
}

/// Names and values in turn.
#[op2]
pub(crate) fn op_isobase_request_headers<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &OpState,
    #[smi] id: InvocationId,
) -> Result<v8::Local<'s, v8::Array>, JsErrorBox> {
    let headers = &invocation(state, id)?.head.headers;
    let mut flat: Vec<v8::Local<'s, v8::Value>> = Vec::with_capacity(headers.len() * 2);
    for (name, value) in headers {
        flat.push(latin1(scope, name.as_str().as_bytes()));
        flat.push(latin1(scope, value.as_bytes()));
    }
    Ok(v8::Array::new_with_elements(scope, &flat))
}

/// Header values are bytes; scripts see each as a code point below 256 (Fetch's "isomorphic
/// decode").
fn latin1<'s>(scope: &mut v8::PinScope<'s, '_>, bytes: &[u8]) -> v8::Local<'s, v8::Value> {
    let text = v8::String::new_from_one_byte(scope, bytes, v8::NewStringType::Normal);
    text.unwrap_or_else(|| v8::String::empty(scope)).into()
}

/// All values of one header joined with `, `, or null.
#[op2]
pub(crate) fn op_isobase_request_header<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &OpState,
    #[smi] id: InvocationId,
    #[string] name: Cow<'_, str>,
) -> Result<v8::Local<'s, v8::Value>, JsErrorBox> {
    let headers = &invocation(state, id)?.head.headers;
    Ok(match joined(headers, &name) {
        Some(value) => latin1(scope, &value),
        None => v8::null(scope).into(),
    })
}

fn joined<'a>(headers: &'a HeaderMap, name: &str) -> Option<Cow<'a, [u8]>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.as_bytes();
    let Some(second) = values.next() else { return Some(first.into()) };
    let mut all = first.to_vec();
    for value in std::iter::once(second).chain(values) {
        all.extend_from_slice(b", ");
        all.extend_from_slice(value.as_bytes());
    }
    Some(all.into())
}

#[op2]
#[string]
pub(crate) fn op_isobase_remote_address(
    state: &OpState,
    #[smi] id: InvocationId,
) -> Result<String, JsErrorBox> {
    Ok(invocation(state, id)?.client.to_string())
}
