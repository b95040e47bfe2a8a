//! Sending the response.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use deno_core::convert::ByteString;
use deno_core::{FromV8, JsBuffer, OpState, Resource, ResourceId, op2, v8};
use deno_error::JsErrorBox;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use isobase_base::observe::GuestLevel;
use isobase_base::{Body, BodyError, Failure, FailureKind, limits};
use tokio::sync::mpsc;

use crate::invocation::{InvocationId, Invocations};
use crate::isolate::Wake;
use crate::ops::log;
use crate::script_error;

/// How much of a host-side stream one read asks for, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// The same numbers as in `serve.js`.
const FAILED_INVALID_RESPONSE: u32 = 1;

#[op2(fast)]
pub(crate) fn op_isobase_respond_text<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[smi] id: InvocationId,
    #[smi] status: u16,
    headers: v8::Local<'s, v8::Value>,
    #[string] body: String,
) -> Result<(), JsErrorBox> {
    let head = head(scope, status, headers)?;
    respond(state, id, head, body.into_bytes());
    Ok(())
}

#[op2]
pub(crate) fn op_isobase_respond_bytes<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[smi] id: InvocationId,
    #[smi] status: u16,
    headers: v8::Local<'s, v8::Value>,
    #[buffer] body: JsBuffer,
) -> Result<(), JsErrorBox> {
    let head = head(scope, status, headers)?;
    respond(state, id, head, body.to_vec());
    Ok(())
}

/// Without a body. A 101 goes on as whatever the connection is upgraded to.
#[op2(fast)]
pub(crate) fn op_isobase_respond_empty<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[smi] id: InvocationId,
    #[smi] status: u16,
    headers: v8::Local<'s, v8::Value>,
) -> Result<(), JsErrorBox> {
    let head = head(scope, status, headers)?;
    let invocations = state.borrow_mut::<Invocations>();
    let is_upgrade = head.status() == StatusCode::SWITCHING_PROTOCOLS;
    if is_upgrade && !invocations.get(id).is_some_and(|invocation| invocation.upgrading) {
        return Err(JsErrorBox::type_error("status 101 is answered with by Deno.upgradeWebSocket only"));
    }
    invocations.answer(id, Ok(head.map(|()| Body::Empty)), is_upgrade);
    Ok(())
}

/// The body is what the resource `rid` yields. It is read only as fast as the client takes it.
#[op2(fast)]
pub(crate) fn op_isobase_respond_stream<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: Rc<RefCell<OpState>>,
    #[smi] id: InvocationId,
    #[smi] status: u16,
    headers: v8::Local<'s, v8::Value>,
    #[smi] rid: ResourceId,
    auto_close: bool,
) -> Result<(), JsErrorBox> {
    let head = head(scope, status, headers)?;
    let resource = {
        let mut state = state.borrow_mut();
        let table = &mut state.resource_table;
        let found = if auto_close { table.take_any(rid) } else { table.get_any(rid) };
        found.map_err(|error| JsErrorBox::generic(error.to_string()))?
    };
    let (sender, receiver) = mpsc::channel(limits::V8_RESPONSE_CHUNKS_WAITING_MAX);
    let body = Body::from_stream(futures::stream::unfold(Some(receiver), next_part));
    if !state.borrow_mut().borrow_mut::<Invocations>().answer(id, Ok(head.map(|()| body)), true) {
        resource.close();
        return Ok(());
    }
    deno_core::unsync::spawn(async move {
        let delivered = pump(&resource, sender).await;
        resource.close();
        let mut state = state.borrow_mut();
        if delivered {
            state.borrow_mut::<Invocations>().body_ended(id);
        } else {
            state.borrow::<Wake>().cancel(id);
        }
    });
    Ok(())
}

type Receiver = mpsc::Receiver<Part>;

/// What the isolate hands over of a body. A body without its end was broken off, and the client
/// must not take it for whole.
enum Part {
    Chunk(Bytes),
    End,
    Broken(String),
}

async fn next_part(receiver: Option<Receiver>) -> Option<(Result<Bytes, BodyError>, Option<Receiver>)> {
    let mut receiver = receiver?;
    match receiver.recv().await {
        Some(Part::Chunk(chunk)) => Some((Ok(chunk), Some(receiver))),
        Some(Part::End) => None,
        Some(Part::Broken(why)) => Some((Err(BodyError::Source(why)), None)),
        None => Some((Err(BodyError::Source("the isolate ended before its response did".to_owned())), None)),
    }
}

/// Copies chunks until the end (true) or until nobody takes them any more (false).
async fn pump(resource: &Rc<dyn Resource>, sender: mpsc::Sender<Part>) -> bool {
    loop {
        let read = tokio::select! {
            read = resource.clone().read(CHUNK_BYTES) => read,
            () = sender.closed() => return false,
        };
        let part = match read {
            Ok(chunk) if chunk.is_empty() => Part::End,
            Ok(chunk) => Part::Chunk(Bytes::copy_from_slice(&chunk)),
            Err(error) => Part::Broken(error.to_string()),
        };
        let is_last = !matches!(part, Part::Chunk(_));
        if sender.send(part).await.is_err() {
            return false;
        }
        if is_last {
            return true;
        }
    }
}

/// The invocation ends without a response. `error` is what was thrown, or for an invalid response
/// the text that says what is wrong with it.
#[op2(fast)]
pub(crate) fn op_isobase_fail<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: Rc<RefCell<OpState>>,
    #[smi] id: InvocationId,
    #[smi] kind: u32,
    error: v8::Local<'s, v8::Value>,
) {
    // Runs scripts, if the function made the error so.
    let detail = script_error::describe(scope, error);
    let mut state = state.borrow_mut();
    let kind =
        if kind == FAILED_INVALID_RESPONSE { FailureKind::InvalidResponse } else { FailureKind::Crashed };
    let is_over_limit = state.borrow::<Invocations>().is_over_limit();
    let failure = Failure::new(kind, detail);
    if is_over_limit {
        // The turn's end will tell, and has the better reason.
        state.borrow_mut::<Invocations>().fail_unless_over_limit(id, failure);
        return;
    }
    log::write(&mut state, id, GuestLevel::Error, &failure.detail);
    state.borrow_mut::<Invocations>().answer(id, Err(failure), false);
}

/// The host keeps the body until the client has taken it, however long that takes.
fn respond(state: &mut OpState, id: InvocationId, head: Response<()>, body: Vec<u8>) {
    let body = state.borrow::<Invocations>().memory().response(body);
    let answer = match body {
        Some(body) => Ok(head.map(|()| Body::from(body))),
        None => {
            let text = "responses that clients have not read hold as much memory as the function may";
            log::write(state, id, GuestLevel::Error, text);
            Err(Failure::new(FailureKind::MemoryLimit, text))
        }
    };
    state.borrow_mut::<Invocations>().answer(id, answer, false);
}

/// `headers` is undefined, one content type, or a list of pairs.
fn head<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    status: u16,
    headers: v8::Local<'s, v8::Value>,
) -> Result<Response<()>, JsErrorBox> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status)
        .map_err(|_| JsErrorBox::type_error(format!("status {status} cannot be answered with")))?;
    if headers.is_string() {
        let value = content_type(scope, headers)?;
        response.headers_mut().insert(http::header::CONTENT_TYPE, value);
    } else if let Ok(pairs) = v8::Local::<v8::Array>::try_from(headers) {
        append_pairs(scope, pairs, response.headers_mut())?;
    }
    Ok(response)
}

fn content_type<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    value: v8::Local<'s, v8::Value>,
) -> Result<HeaderValue, JsErrorBox> {
    let text =
        ByteString::from_v8(scope, value).map_err(|error| JsErrorBox::type_error(error.to_string()))?;
    Ok(match &text[..] {
        b"text/plain;charset=UTF-8" => HeaderValue::from_static("text/plain;charset=UTF-8"),
        b"application/json" => HeaderValue::from_static("application/json"),
        other => HeaderValue::from_bytes(other).map_err(|error| JsErrorBox::type_error(error.to_string()))?,
    })
}

fn append_pairs<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    pairs: v8::Local<'s, v8::Array>,
    headers: &mut HeaderMap,
) -> Result<(), JsErrorBox> {
    let malformed = || JsErrorBox::type_error("the response's header list is malformed");
    let (count, bound) = (pairs.length(), limits::GUEST_HEADERS_MAX);
    if count as usize > bound {
        let text = format!("the response has {count} header lines; {bound} are allowed");
        return Err(JsErrorBox::type_error(text));
    }
    let mut bytes = 0;
    for index in 0..pairs.length() {
        let pair = pairs.get_index(scope, index).ok_or_else(malformed)?;
        let pair = v8::Local::<v8::Array>::try_from(pair).map_err(|_| malformed())?;
        let mut part = |at: u32| -> Result<ByteString, JsErrorBox> {
            let value = pair.get_index(scope, at).ok_or_else(malformed)?;
            ByteString::from_v8(scope, value).map_err(|error| JsErrorBox::type_error(error.to_string()))
        };
        let name =
            HeaderName::from_bytes(&part(0)?).map_err(|error| JsErrorBox::type_error(error.to_string()))?;
        let value =
            HeaderValue::from_bytes(&part(1)?).map_err(|error| JsErrorBox::type_error(error.to_string()))?;
        bytes += name.as_str().len() + value.len();
        if bytes > limits::GUEST_HEADER_BYTES_MAX {
            let bound = limits::GUEST_HEADER_BYTES_MAX;
            return Err(JsErrorBox::type_error(format!(
                "the response's headers are longer than {bound} bytes"
            )));
        }
        headers.append(name, value);
    }
    Ok(())
}
