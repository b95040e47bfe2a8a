//! `fetch` to the project's own API: through the gateway, without a socket.
//!
//! Takes the place of Deno's operation for such requests and gives the same resources, so that everything
//! above it (redirects, cancellation, reading the body) is Deno's.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder};
use bytes::Bytes;
use deno_core::convert::{ByteString, Uint8Array};
use deno_core::{CancelFuture, CancelHandle, OpState, Resource, ResourceId, op2};
use deno_error::JsErrorBox;
use deno_fetch::{
    BodyDecoded, FetchCancelHandle, FetchError, FetchRequestResource, ResBody, ResourceToBodyAdapter,
};
use futures::StreamExt;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyDataStream, BodyExt, StreamBody};
use isobase_base::{Body, BodyError};
use isobase_bind_v8::Callers;
use isobase_http::{GivenUp, Inward, OverBudget};
use parking_lot::Mutex;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tokio_util::io::{ReaderStream, StreamReader};
use url::Url;

use crate::{egress, extensions};

/// Chunks of a streamed request body on their way to whoever reads it.
const CHUNKS_AHEAD: usize = 2;

/// Why a request to the own project was not sent.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
pub(crate) enum OwnFetchError {
    #[class(type)]
    #[error("the request is not valid: {0}")]
    Invalid(String),
    #[class("RateLimitError")]
    #[property("retryAfterMs" = self.retry_after_ms())]
    #[error(transparent)]
    OverBudget(OverBudget),
}

impl OwnFetchError {
    fn retry_after_ms(&self) -> f64 {
        match self {
            Self::OverBudget(over) => over.retry_after.as_millis() as f64,
            Self::Invalid(_) => 0.0,
        }
    }
}

/// Whether a request to `url` stays in the process.
#[op2(fast)]
pub(crate) fn op_isobase_is_own(state: &mut OpState, #[string] url: &str) -> bool {
    // Before the function has its network there is nobody to ask.
    let is_open = state.try_borrow::<Inward>().is_some_and(Inward::is_open);
    is_open && url.parse::<Uri>().is_ok_and(|uri| egress::is_own(&uri))
}

/// Begins the request. Gives the resources of the request and of its cancellation.
#[op2]
#[serde]
pub(crate) fn op_isobase_fetch_own(
    state: &mut OpState,
    #[smi] invocation: u32,
    #[scoped] method: ByteString,
    #[string] url: String,
    #[scoped] headers: Vec<(ByteString, ByteString)>,
    data: Option<Uint8Array>,
    #[smi] resource: Option<ResourceId>,
) -> Result<(ResourceId, ResourceId), OwnFetchError> {
    let invalid = |error: &dyn std::fmt::Display| OwnFetchError::Invalid(error.to_string());
    let mut url = Url::parse(&url).map_err(|error| invalid(&error))?;
    let authority = deno_fetch::extract_authority(&mut url);
    let body = match (data, resource) {
        (Some(data), _) => Body::from(Bytes::from(data.0)),
        (None, Some(resource)) => {
            let resource = state.resource_table.take_any(resource).map_err(|error| invalid(&error))?;
            streamed(resource)
        }
        (None, None) => Body::Empty,
    };
    let mut request = Request::new(body);
    *request.method_mut() = Method::from_bytes(&method).map_err(|error| invalid(&error))?;
    *request.uri_mut() = url.as_str().parse().map_err(|error: http::uri::InvalidUri| invalid(&error))?;
    if let Some((user, password)) = authority {
        let basic = deno_fetch::basic_auth(&user, password.as_deref());
        request.headers_mut().insert(AUTHORIZATION, basic);
    }
    for (name, value) in headers {
        let name = HeaderName::from_bytes(&name).map_err(|error| invalid(&error))?;
        let value = HeaderValue::from_bytes(&value).map_err(|error| invalid(&error))?;
        // Both follow from the URL and the body.
        if name != HOST && name != CONTENT_LENGTH {
            request.headers_mut().append(name, value);
        }
    }
    if !request.headers().contains_key(USER_AGENT)
        && let Ok(own) = HeaderValue::try_from(extensions::user_agent())
    {
        request.headers_mut().insert(USER_AGENT, own);
    }
    let trace = state.borrow::<Callers>().trace(invocation);
    let sent = state.borrow::<Inward>().send(trace.as_ref(), request).map_err(OwnFetchError::OverBudget)?;
    let cancel = CancelHandle::new_rc();
    let cancelled = Rc::clone(&cancel);
    let future =
        Box::pin(
            async move { async { sent.await.map(readable).map_err(given_up) }.or_cancel(cancelled).await },
        );
    let request = state.resource_table.add(FetchRequestResource { future, url });
    Ok((request, state.resource_table.add(FetchCancelHandle(cancel))))
}

fn given_up(error: GivenUp) -> FetchError {
    FetchError::RequestBuilderHook(JsErrorBox::type_error(format!("fetch failed: {error}")))
}

/// A body that the script still produces. It is read on the isolate's thread and handed on.
fn streamed(resource: Rc<dyn Resource>) -> Body {
    let (sender, receiver) = mpsc::channel::<Result<Bytes, BodyError>>(CHUNKS_AHEAD);
    deno_core::unsync::spawn(async move {
        let mut chunks = ResourceToBodyAdapter::new(resource);
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| BodyError::Source(error.to_string()));
            if sender.send(chunk).await.is_err() {
                return;
            }
        }
    });
    let next = |mut receiver: mpsc::Receiver<_>| async move { Some((receiver.recv().await?, receiver)) };
    Body::from_stream(futures::stream::unfold(receiver, next))
}

/// A body that fetch may hold: one that could be looked at from two threads, though it never is.
struct Shared(Mutex<UnsyncBoxBody<Bytes, JsErrorBox>>);

impl http_body::Body for Shared {
    type Data = Bytes;
    type Error = JsErrorBox;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, JsErrorBox>>> {
        Pin::new(self.0.get_mut()).poll_frame(context)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().size_hint()
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().is_end_stream()
    }
}

fn shared(body: impl http_body::Body<Data = Bytes, Error = JsErrorBox> + Send + 'static) -> ResBody {
    ResBody::new(Shared(Mutex::new(body.boxed_unsync())))
}

/// The response as fetch reads it: codings that browsers undo are undone.
fn readable(response: Response<Body>) -> Response<ResBody> {
    let coding = response.headers().get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    let coding = coding.map(<[u8]>::to_ascii_lowercase);
    let (mut parts, body) = response.into_parts();
    let reader = |body: Body| StreamReader::new(BodyDataStream::new(body.map_err(io::Error::other)));
    let body = match coding.as_deref() {
        Some(b"gzip" | b"x-gzip") => decoded(GzipDecoder::new(reader(body))),
        Some(b"br") => decoded(BrotliDecoder::new(reader(body))),
        _ => {
            let body = body.map_err(|error| JsErrorBox::generic(error.to_string()));
            return Response::from_parts(parts, shared(body));
        }
    };
    parts.extensions.insert(BodyDecoded);
    Response::from_parts(parts, body)
}

fn decoded(reader: impl AsyncRead + Send + 'static) -> ResBody {
    let chunks = ReaderStream::new(reader)
        .map(|chunk| chunk.map(Frame::data).map_err(|error| JsErrorBox::generic(error.to_string())));
    shared(StreamBody::new(chunks))
}
