//! The request's body: whole where it is at hand, else a stream that is read on demand.

use std::borrow::Cow;
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use deno_core::convert::Uint8Array;
use deno_core::{
    AsyncRefCell, AsyncResult, BufView, CancelHandle, CancelTryFuture, OpState, RcRef, Resource, ResourceId,
    ToV8,
};
use deno_core::{op2, v8};
use deno_error::JsErrorBox;
use http_body::Body as _;
use isobase_base::{Body, BodyError};

use crate::invocation::{Invocation, InvocationId, Invocations};

/// The body if it is wholly at hand: bytes. `undefined`: there is none. `null`: it must be streamed.
#[op2]
pub(crate) fn op_isobase_body_take<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[smi] id: InvocationId,
) -> Result<v8::Local<'s, v8::Value>, JsErrorBox> {
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
    peek(invocation);
    Ok(match invocation.body.take() {
        None | Some(Body::Empty) => AtHand::Nothing,
        Some(Body::Full(bytes)) => AtHand::Bytes(bytes),
        stream => {
            invocation.body = stream;
            AtHand::Stream
        }
    })
}

/// A small body has usually arrived together with the head. Looking once, without waiting, spares
/// it the way through a stream.
fn peek(invocation: &mut Invocation) {
    let Some(body @ Body::Stream(_)) = &mut invocation.body else { return };
    if !invocation.body_begin.is_empty() {
        return;
    }
    // Whoever reads on registers a waker that does wake.
    let mut nobody = Context::from_waker(Waker::noop());
    match Pin::new(&mut *body).poll_frame(&mut nobody) {
        Poll::Pending => {}
        Poll::Ready(None) => *body = Body::Full(Bytes::new()),
        Poll::Ready(Some(Err(error))) => *body = Body::from_stream(futures::stream::iter([Err(error)])),
        Poll::Ready(Some(Ok(frame))) => {
            let data = frame.into_data().unwrap_or_default();
            if body.is_end_stream() {
                *body = Body::Full(data);
            } else {
                invocation.body_begin = data;
            }
        }
    }
}

/// Makes the streamed body a resource that a ReadableStream reads from.
#[op2(fast)]
#[smi]
pub(crate) fn op_isobase_body_stream(
    state: &mut OpState,
    #[smi] id: InvocationId,
) -> Result<ResourceId, JsErrorBox> {
    let taken = || JsErrorBox::type_error("the body of the request was taken already");
    let invocation = state.borrow_mut::<Invocations>().get_mut(id).ok_or_else(taken)?;
    let body = invocation.body.take().ok_or_else(taken)?;
    let begin = std::mem::take(&mut invocation.body_begin);
    Ok(state.resource_table.add(RequestBody::new(begin, body)))
}

/// A request body that is read on demand: what the function does not read stays with the client.
struct RequestBody {
    body: AsyncRefCell<Option<Body>>,
    /// What comes before the next chunk: the beginning that was looked at, or what was left of a
    /// chunk that was longer than the reader's buffer.
    rest: RefCell<Bytes>,
    cancel: CancelHandle,
}

impl RequestBody {
    fn new(begin: Bytes, body: Body) -> Self {
        Self {
            body: AsyncRefCell::new(Some(body)),
            rest: RefCell::new(begin),
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
