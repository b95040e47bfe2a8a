//! HTTP from a guest to the outside, under the function's egress policy.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use isobase_base::TraceContext;
use isobase_http::{HttpClient, Inward, Refusal, SendError};
use tokio::time::Sleep;
use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody, WasiHttpHooks};

/// Sends what guests ask for, and lets nothing outlive the request being served.
pub(crate) struct Outbound {
    pub(crate) client: HttpClient,
    pub(crate) inward: Inward,
    pub(crate) deadline: Instant,
    pub(crate) trace: TraceContext,
}

type Sent = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _ended: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent>> + Send> {
        let client = self.client.clone();
        let left = self.deadline.saturating_duration_since(Instant::now());
        let options = options.unwrap_or_default();
        let between_bytes = options.between_bytes_timeout.unwrap_or(left).min(left);
        // A connection that is open already takes no time to connect: one bound for both.
        let head = options
            .connect_timeout
            .unwrap_or(left)
            .saturating_add(options.first_byte_timeout.unwrap_or(left));
        let (inward, trace) = (self.inward.clone(), self.trace);
        Box::new(async move {
            let sending = async {
                if inward.is_open() && client.policy().is_gateway(request.uri()) {
                    return send_inward(&inward, &trace, request).await;
                }
                let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
                let response = client.send(request).await.map_err(|error| code(&error))?;
                Ok(response.map(|body| body.map_err(Error::from).boxed_unsync()))
            };
            let sending = tokio::time::timeout(head.min(left), sending);
            let response = sending.await.map_err(|_| Error::ConnectionTimeout)??;
            let response = response.map(|body| {
                Timed { body, pause: Box::pin(tokio::time::sleep(between_bytes)), between_bytes }
                    .boxed_unsync()
            });
            Ok((response, Box::new(std::future::ready(Ok(()))) as _))
        })
    }
}

async fn send_inward(
    inward: &Inward,
    trace: &TraceContext,
    request: http::Request<WasiBody>,
) -> Result<http::Response<UnsyncBoxBody<Bytes, Error>>> {
    let peer = |error: Error| isobase_base::BodyError::Peer(error.to_string());
    let request = request.map(|body| isobase_base::Body::wrap(body.map_err(peer)));
    let sent = inward.send(Some(trace), request).map_err(|over| {
        tracing::debug!(%over, "a call within the project was refused");
        Error::HttpRequestDenied
    })?;
    let response = sent.await.map_err(|_given_up| Error::ConnectionTerminated)?;
    Ok(response.map(|body| body.map_err(|_broken| Error::HttpResponseIncomplete).boxed_unsync()))
}

/// What a guest is told. Codes carry no text, so the sentence goes to the log.
fn code(error: &SendError) -> Error {
    match error {
        SendError::Refused(refusal) => {
            tracing::debug!(%refusal, "a request of a function was refused");
            match refusal {
                Refusal::NotListed { .. } => Error::HttpRequestDenied,
                Refusal::Private { .. } | Refusal::OwnPort { .. } => Error::DestinationIpProhibited,
                Refusal::NoName(_) => Error::HttpRequestUriInvalid,
            }
        }
        SendError::BadUrl => Error::HttpRequestUriInvalid,
        SendError::Name => Error::DnsError { rcode: None, info_code: None },
        SendError::Connect => Error::ConnectionRefused,
        SendError::ConnectTimeout => Error::ConnectionTimeout,
        SendError::Tls => Error::TlsProtocolError,
        SendError::Broken => Error::ConnectionTerminated,
    }
}

/// A response's body, whose peer must not fall silent.
struct Timed {
    body: UnsyncBoxBody<Bytes, Error>,
    pause: Pin<Box<Sleep>>,
    between_bytes: Duration,
}

impl Body for Timed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(Some(frame)) => {
                this.pause.as_mut().reset(tokio::time::Instant::now() + this.between_bytes);
                Poll::Ready(Some(frame))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => match this.pause.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(Some(Err(Error::ConnectionReadTimeout))),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
