//! One observation per request, made when the last byte of its response is gone or the request was
//! given up.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Uri};
use http_body::{Frame, SizeHint};
use isobase_base::observe::{Observation, Observer};
use isobase_base::{Body, BodyError, Principal, RequestId, TraceContext};

/// What is known of a request so far. Its drop is the end of the request.
pub(crate) struct AccessLog {
    observer: Observer,
    pub(super) request_id: RequestId,
    /// The id as it goes into headers.
    pub(super) request_id_text: HeaderValue,
    pub(super) trace: TraceContext,
    pub(super) surface: &'static str,
    pub(super) principal: Option<Principal>,
    pub(super) status: StatusCode,
    method: Method,
    uri: Uri,
    began: Instant,
    bytes: u64,
}

impl AccessLog {
    /// The id is always new: one taken from a client could be chosen to mislead (log forging).
    pub(super) fn begin(observer: &Observer, parts: &Parts) -> Self {
        let request_id = RequestId::generate();
        let traceparent = parts.headers.get("traceparent").and_then(|value| value.to_str().ok());
        Self {
            observer: observer.clone(),
            request_id,
            request_id_text: HeaderValue::try_from(request_id.to_string()).expect("a UUID is plain ASCII"),
            trace: traceparent.and_then(TraceContext::continue_from).unwrap_or_else(TraceContext::generate),
            surface: "none",
            principal: None,
            // Until there is a response, the end can only mean that the client went away. The code
            // is the one nginx made customary.
            status: StatusCode::from_u16(499).expect("499 is a valid status"),
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            began: Instant::now(),
            bytes: 0,
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.observer.record(Observation::Request {
            request_id: self.request_id,
            trace: &self.trace,
            surface: self.surface,
            method: &self.method,
            path: self.uri.path(),
            status: self.status,
            role: self.principal.as_ref().map_or("none", |principal| principal.role().as_str()),
            duration: self.began.elapsed(),
            bytes: self.bytes,
        });
    }
}

/// The body of a response on its way to the client, counted for the access log.
pub(crate) struct Answer {
    body: Body,
    log: AccessLog,
}

impl Answer {
    pub(super) fn new(body: Body, log: AccessLog) -> Self {
        Self { body, log }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.log.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
