//! Requests from the host, for the engine inside.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt as _;
use http::header::{CONNECTION, TE, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use isobase_base::task::{self, TaskKind};
use isobase_base::{
    Body, BodyError, Client, Context, Failure, FailureKind, Principal, RequestId, TraceContext, Upgrade,
    UpgradedIo, limits,
};
use isobase_engine::{Retirement, Usage, Worker};
use parking_lot::Mutex;
use tokio::net::UnixStream;
use tokio::sync::Notify;

use crate::wire::{self, CALL, Call, OUTCOME, Outcome};

/// The worker, until the host has no further use for it.
#[derive(Default)]
pub(super) struct Desk {
    worker: Mutex<Option<Arc<dyn Worker>>>,
    /// A request has come.
    pub(super) activity: Notify,
}

impl Desk {
    pub(super) fn open(&self, worker: Arc<dyn Worker>) {
        *self.worker.lock() = Some(worker);
    }

    pub(super) fn close(&self) {
        *self.worker.lock() = None;
    }

    pub(super) fn worker(&self) -> Option<Arc<dyn Worker>> {
        self.worker.lock().clone()
    }
}

/// What is read of a request at once, in bytes: its head must fit.
const READ_BYTES_MAX: usize = 2 * limits::GUEST_HEADER_BYTES_MAX;

/// Answers what comes over `stream`, one request after another.
pub(super) fn serve(stream: UnixStream, desk: Arc<Desk>) {
    let service = service_fn(move |request| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(answer(&desk, request).await) }
    });
    let mut server = http1::Builder::new();
    server.auto_date_header(false).max_headers(limits::GUEST_HEADERS_MAX + 16).max_buf_size(READ_BYTES_MAX);
    let connection = server.serve_connection(TokioIo::new(stream), service).with_upgrades();
    task::spawn(TaskKind::Request, "requests from the host", async move {
        // The host goes away with a request that nobody waits for any more.
        let _ = connection.await;
    });
}

async fn answer(desk: &Desk, mut request: Request<Incoming>) -> Response<Body> {
    desk.activity.notify_one();
    let usage = Usage::default();
    let call = wire::take::<Call>(request.headers_mut(), &CALL);
    let (Some(worker), Some(call)) = (desk.worker(), call) else {
        let failure = Failure::new(FailureKind::Cancelled, "the process ended before it took the request");
        return failed(failure, Outcome::default());
    };
    restore(request.headers_mut(), &call);
    let upgrade = call.may_upgrade.then(|| {
        let upgrading = hyper::upgrade::on(&mut request);
        Upgrade::new(
            async move {
                let upgraded = upgrading.await.map_err(|error| BodyError::Peer(error.to_string()))?;
                Ok(Box::new(TokioIo::new(upgraded)) as Box<dyn UpgradedIo>)
            }
            .boxed(),
        )
    });
    let mut request = request.map(|body| match body.is_end_stream() {
        true => Body::Empty,
        false => Body::wrap(body.map_err(|error| BodyError::Peer(error.to_string()))),
    });
    request.extensions_mut().insert(usage.clone());
    if let Some(upgrade) = upgrade {
        request.extensions_mut().insert(upgrade);
    }
    let answered = worker.invoke(request, context(&call)).await;
    let outcome = outcome(&usage, &*worker);
    match answered {
        Ok(response) => told(response, &outcome, usage, worker),
        Err(failure) => failed(failure, outcome),
    }
}

/// Headers of the client's connection instead of those of this one.
fn restore(headers: &mut HeaderMap, call: &Call) {
    [TE, TRANSFER_ENCODING].iter().for_each(|name| drop(headers.remove(name)));
    if !call.may_upgrade {
        headers.remove(CONNECTION);
    }
    for (name, value) in &call.connection {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
}

fn context(call: &Call) -> Context {
    Context {
        request_id: RequestId::from(uuid::Uuid::from_bytes(call.request_id)),
        trace: TraceContext::continue_from(&call.traceparent).unwrap_or_else(TraceContext::generate),
        // There is nothing here that would act as anybody.
        principal: Principal::anon(),
        deadline: Instant::now() + Duration::from_millis(call.deadline_millis),
        client: Client { address: call.client },
    }
}

fn outcome(usage: &Usage, worker: &dyn Worker) -> Outcome {
    Outcome {
        failure: None,
        retirement: worker.retirement().map(Retirement::number),
        cpu_nanos: usage.cpu().as_nanos() as u64,
        memory_bytes: usage.memory_bytes(),
    }
}

fn failed(failure: Failure, outcome: Outcome) -> Response<Body> {
    let outcome = Outcome { failure: Some(failure.kind as u8), ..outcome };
    let mut response = Response::new(Body::from(failure.detail));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(OUTCOME, wire::write(&outcome));
    response
}

/// The function's answer, with what the host wants to know of it.
fn told(
    mut response: Response<Body>,
    outcome: &Outcome,
    usage: Usage,
    worker: Arc<dyn Worker>,
) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(OUTCOME, wire::write(outcome));
    headers.remove(TRAILER);
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return response;
    }
    let headers = response.headers_mut();
    [CONNECTION, TRANSFER_ENCODING].iter().for_each(|name| drop(headers.remove(name)));
    if !matches!(response.body(), Body::Stream(_)) {
        return response;
    }
    response.headers_mut().insert(TRAILER, HeaderValue::from_name(OUTCOME));
    response.map(|body| Body::wrap(Streamed { body, last: Some((usage, worker)) }))
}

/// A streamed body, and after it what it has cost.
struct Streamed {
    body: Body,
    last: Option<(Usage, Arc<dyn Worker>)>,
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.last.is_none() {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(None) => {}
            polled => return polled,
        }
        let trailers = self.last.take().map(|(usage, worker)| {
            let value = wire::write(&outcome(&usage, &*worker));
            Ok(Frame::trailers(HeaderMap::from_iter([(OUTCOME, value)])))
        });
        Poll::Ready(trailers)
    }

    fn is_end_stream(&self) -> bool {
        self.last.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
