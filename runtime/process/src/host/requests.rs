//! Requests to a process: HTTP/1.1, one after another on each socket pair, as many pairs as are needed at once.
//! A client that goes away closes its pair; the process sees what a server sees.

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONNECTION, EXPECT, TE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use isobase_base::task::{self, TaskKind};
use isobase_base::{Body, BodyError, Context, Failure, Upgrade, limits};
use isobase_engine::Usage;
use parking_lot::Mutex;
use tokio::io::Interest;

use crate::descriptors::{self, Purpose};
use crate::wire::{self, CALL, Call, OUTCOME, Outcome};

/// Headers of one connection, which this one has of its own.
const OF_CONNECTION: [HeaderName; 5] =
    [CONNECTION, EXPECT, TE, TRANSFER_ENCODING, HeaderName::from_static("keep-alive")];

/// What an answer is read into, in bytes: headers up to their bound, and what comes with them.
const READ_BYTES_MAX: usize = 2 * limits::GUEST_HEADER_BYTES_MAX;
/// What a process says of a failure, in bytes.
const DETAIL_BYTES_MAX: usize = 64 * 1024;

/// The pairs of one process.
pub(super) struct Requests {
    streams: tokio::net::UnixStream,
    open: Mutex<Vec<SendRequest<Body>>>,
}

/// Why there is no answer.
pub(super) enum Unanswered {
    /// The function's own failure.
    Failed(Failure),
    /// The process broke off, or says what makes no sense.
    Broken(String),
}

impl From<hyper::Error> for Unanswered {
    fn from(error: hyper::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl Requests {
    pub(super) fn new(streams: tokio::net::UnixStream) -> Self {
        Self { streams, open: Mutex::default() }
    }

    /// Sends the request; gives the answer and what the process says of itself with it. Dropping the future, or
    /// the body of the answer, ends the invocation.
    pub(super) async fn send(
        &self,
        mut request: Request<Body>,
        context: &Context,
    ) -> Result<(Response<Body>, Outcome), (Unanswered, Outcome)> {
        let usage = request.extensions_mut().remove::<Usage>().unwrap_or_default();
        let upgrade = request.extensions_mut().remove::<Upgrade>();
        prepare(&mut request, context, upgrade.is_some());
        let broken = |error: String| (Unanswered::Broken(error), Outcome::default());
        let mut sender = self.pair().await.map_err(|error| broken(error.to_string()))?;
        let answering = sender.send_request(request);
        self.open.lock().push(sender);
        let mut response = answering.await.map_err(|error| broken(error.to_string()))?;
        let outcome: Option<Outcome> = wire::take(response.headers_mut(), &OUTCOME);
        let Some(outcome) = outcome else {
            return Err(broken("an answer said nothing of how it came about".to_owned()));
        };
        outcome.note(&usage);
        if let Some(kind) = outcome.failure {
            let detail = Limited::new(response.into_body(), DETAIL_BYTES_MAX).collect().await;
            let detail = detail.map(|detail| String::from_utf8_lossy(&detail.to_bytes()).into_owned());
            let failure = wire::failure(kind, detail.unwrap_or_default());
            return Err((Unanswered::Failed(failure), outcome));
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Ok((switched(response, upgrade), outcome));
        }
        OF_CONNECTION.iter().for_each(|name| drop(response.headers_mut().remove(name)));
        response.headers_mut().remove(http::header::TRAILER);
        let response = response.map(|body| match body.is_end_stream() {
            true => Body::Empty,
            false => Body::wrap(Answer { body, usage }),
        });
        Ok((response, outcome))
    }

    /// A pair that has nothing to do, or a new one.
    async fn pair(&self) -> io::Result<SendRequest<Body>> {
        let idle = {
            let mut open = self.open.lock();
            open.retain(|sender| !sender.is_closed());
            let ready = open.iter().position(SendRequest::is_ready);
            ready.map(|index| open.swap_remove(index))
        };
        if let Some(sender) = idle {
            return Ok(sender);
        }
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        let hand_over = || descriptors::send(self.streams.as_fd(), Purpose::Requests, theirs.as_fd());
        self.streams.async_io(Interest::WRITABLE, hand_over).await?;
        drop(theirs);
        let stream = TokioIo::new(tokio::net::UnixStream::from_std(ours)?);
        let mut client = http1::Builder::new();
        client.max_headers(limits::GUEST_HEADERS_MAX + 16).max_buf_size(READ_BYTES_MAX);
        let (mut sender, connection) = client.handshake(stream).await.map_err(io::Error::other)?;
        task::spawn(TaskKind::Request, "requests to a process", async move {
            // Whoever waits for an answer hears of the error.
            let _ = connection.with_upgrades().await;
        });
        sender.ready().await.map_err(io::Error::other)?;
        Ok(sender)
    }
}

/// Makes of a request one for a pair.
fn prepare(request: &mut Request<Body>, context: &Context, may_upgrade: bool) {
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    let mut connection = Vec::new();
    for name in OF_CONNECTION.iter().filter(|name| !(may_upgrade && *name == CONNECTION)) {
        let values = headers.get_all(name).iter();
        connection.extend(values.map(|value| (name.to_string(), value.as_bytes().to_vec())));
        headers.remove(name);
    }
    headers.insert(TE, HeaderValue::from_static("trailers"));
    let call = Call {
        request_id: *uuid::Uuid::from(context.request_id).as_bytes(),
        traceparent: context.trace.to_string(),
        deadline_millis: context.deadline.saturating_duration_since(Instant::now()).as_millis() as u64,
        client: context.client.address,
        may_upgrade,
        connection,
    };
    headers.insert(CALL, wire::write(&call));
}

/// The answer of a function that leaves HTTP. Bytes go on between the client and the process.
fn switched(mut response: Response<Incoming>, upgrade: Option<Upgrade>) -> Response<Body> {
    let from_process = hyper::upgrade::on(&mut response);
    let pending = upgrade.and_then(|upgrade| upgrade.take());
    if let Some(pending) = pending {
        task::spawn(TaskKind::Request, "upgraded connection of a process", async move {
            let Ok(mut client) = pending.await else { return };
            let Ok(process) = from_process.await else { return };
            // Either side may close.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut TokioIo::new(process)).await;
        });
    }
    response.map(|_| Body::Empty)
}

/// A streamed body. What it has cost comes at its end.
struct Answer {
    body: Incoming,
    usage: Usage,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let frame = match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(error))) => {
                    let text = format!("the function's process broke off its response: {error}");
                    return Poll::Ready(Some(Err(BodyError::Source(text))));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            };
            match frame.into_trailers() {
                Ok(mut trailers) => self.note(&mut trailers),
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Answer {
    fn note(&self, trailers: &mut HeaderMap) {
        if let Some(outcome) = wire::take::<Outcome>(trailers, &OUTCOME) {
            outcome.note(&self.usage);
        }
    }
}
