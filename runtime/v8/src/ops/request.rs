//! Reading the request.

use std::borrow::Cow;
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;
use deno_core::convert::Uint8Array;
use deno_core::{
    AsyncRefCell, AsyncResult, BufView, CancelHandle, CancelTryFuture, OpState, RcRef, Resource, ResourceId,
};
use deno_core::{op2, v8};
use deno_error::JsErrorBox;
use http::HeaderMap;
use http_body::Body as _;
use isobase_base::{Body, BodyError};

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

/// The body if it is wholly at hand: bytes. `undefined`: there is none. `null`: it must be streamed.
#[op2]
pub(crate) fn op_isobase_body_take<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[smi] id: InvocationId,
) -> Result<v8::Local<'s, v8::Value>, JsErrorBox> {
    use deno_core::ToV8;
    let bytes = match at_hand(state, id)? {
        AtHand::Nothing => return Ok(v8::undefined(scope).into()),
        AtHand::Stream => return Ok(v8::null(scope).into()),
        AtHand::Bytes(bytes) => Uint8Array(Vec::from(bytes).into_boxed_slice()),
    };
    bytes.to_v8(scope).map_err(|error| JsErrorBox::generic(error.to_string()))
}

/// As [`op_isobase_body_take`], as text with U+FFFD where it is not UTF-8; null when it must be streamed.
#[op2]
#[string]
pub(crate) fn op_isobase_body_take_text(state: &mut OpState, #[smi] id: InvocationId) -> Option<String> {
    match at_hand(state, id).ok()? {
        AtHand::Nothing | AtHand::Stream => None,
        AtHand::Bytes(bytes) => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").map_or(&bytes[..], |rest| rest);
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
    }
}

enum AtHand {
    Nothing,
    Bytes(Bytes),
    Stream,
}

fn at_hand(state: &mut OpState, id: InvocationId) -> Result<AtHand, JsErrorBox> {
    let over = || JsErrorBox::type_error("the request is over; its body can no longer be read");
    let invocation = state.borrow_mut::<Invocations>().get_mut(id).ok_or_else(over)?;
    Ok(match &invocation.body {
        None | Some(Body::Empty) => AtHand::Nothing,
        Some(Body::Stream(_)) => AtHand::Stream,
        Some(Body::Full(_)) => match invocation.body.take() {
            Some(Body::Full(bytes)) => AtHand::Bytes(bytes),
            _ => AtHand::Nothing,
        },
    })
}

/// Makes the streamed body a resource that a ReadableStream reads from.
#[op2(fast)]
#[smi]
pub(crate) fn op_isobase_body_stream(
    state: &mut OpState,
    #[smi] id: InvocationId,
) -> Result<ResourceId, JsErrorBox> {
    let body = state.borrow_mut::<Invocations>().get_mut(id).and_then(|invocation| invocation.body.take());
    let body = body.ok_or_else(|| JsErrorBox::type_error("the body of the request was taken already"))?;
    Ok(state.resource_table.add(RequestBody::new(body)))
}

/// A request body that is read on demand: what the function does not read stays with the client.
struct RequestBody {
    body: AsyncRefCell<Option<Body>>,
    /// What was left of a chunk that was longer than the reader's buffer.
    rest: RefCell<Bytes>,
    cancel: CancelHandle,
}

impl RequestBody {
    fn new(body: Body) -> Self {
        Self {
            body: AsyncRefCell::new(Some(body)),
            rest: RefCell::default(),
            cancel: CancelHandle::default(),
        }
    }

    /// Up to `limit` bytes; none at the end.
    async fn chunk(self: Rc<Self>, limit: usize) -> Result<BufView, JsErrorBox> {
        let mut body = RcRef::map(&self, |this| &this.body).borrow_mut().await;
        let mut chunk = self.rest.take();
        while chunk.is_empty() {
            let Some(open) = &mut *body else { break };
            match next_data(open).await {
                Some(Ok(data)) => chunk = data,
                Some(Err(error)) => return Err(JsErrorBox::new("Http", error.to_string())),
                None => *body = None,
            }
        }
        *self.rest.borrow_mut() = chunk.split_off(chunk.len().min(limit));
        Ok(BufView::from(chunk))
    }
}

/// The next chunk of `body`, or `None` at its end. Trailers are of no use to Fetch.
async fn next_data(body: &mut Body) -> Option<Result<Bytes, BodyError>> {
    loop {
        match poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await? {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

impl Resource for RequestBody {
    fn name(&self) -> Cow<'_, str> {
        "requestBody".into()
    }

    fn read(self: Rc<Self>, limit: usize) -> AsyncResult<BufView> {
        Box::pin(async move {
            let cancel = RcRef::map(&self, |this| &this.cancel);
            self.clone().chunk(limit).try_or_cancel(cancel).await
        })
    }

    fn cancel_read_ops(self: Rc<Self>) {
        self.cancel.cancel();
    }

    fn close(self: Rc<Self>) {
        self.cancel.cancel();
    }
}
