//! One connection: hyper, a watch over it, and its end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use isobase_base::limits;
use isobase_base::observe::{ConnectionEvent, Observation};
use isobase_base::task::{self, TaskKind};
use tokio::net::TcpStream;
use tokio::time::sleep_until;

use super::accept::Seat;
use super::activity::{Activity, Tracked, Verdict};
use super::socket::Socket;
use super::{Service, Shared};
use crate::config::GatewayLimits;
use crate::peer::Peer;

/// Serves one connection to its end.
pub(super) async fn run<S: Service>(stream: TcpStream, peer: Peer, seat: Seat, shared: Arc<Shared<S>>) {
    let activity = Activity::new();
    let socket = Socket::new(stream, activity.clone(), seat);
    let peer = Arc::new(peer);
    let service = service_fn(|request: Request<Incoming>| {
        let open = activity.begin_request();
        let (service, peer) = (shared.service.clone(), peer.clone());
        async move {
            let response = service.answer(&peer, request).await;
            Ok::<_, Infallible>(response.map(|body| Tracked { body, _open: open }))
        }
    });
    let builder = http(&shared.limits);
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(socket), service));
    let mut watch = pin!(sleep_until((std::time::Instant::now() + shared.limits.header_read_timeout).into()));
    let mut is_draining = false;
    loop {
        tokio::select! {
            biased;
            // Errors are the peer's doing (resets, malformed HTTP) and were answered where HTTP
            // has an answer.
            _ended = connection.as_mut() => return,
            () = shared.cut.cancelled() => return,
            () = shared.shutdown.cancelled(), if !is_draining => {
                is_draining = true;
                connection.as_mut().graceful_shutdown();
            }
            () = watch.as_mut() => match activity.judge(&shared.limits) {
                Verdict::Fine { next_look } => watch.as_mut().reset(next_look.into()),
                // Politely first (HTTP/2 says goodbye), so that a request on its way is answered or
                // sent again; what is still there after another while is dropped.
                Verdict::Idle if !is_draining => {
                    is_draining = true;
                    connection.as_mut().graceful_shutdown();
                    watch.as_mut().reset((std::time::Instant::now() + shared.limits.header_read_timeout).into());
                }
                Verdict::Idle => return,
                Verdict::TooSlow => {
                    shared.observer.record(Observation::Connection { event: ConnectionEvent::TooSlow });
                    return;
                }
            },
        }
    }
}

/// hyper's settings. HTTP/1.1 heads have a bound here only so that hyper's buffer is bounded; the
/// stack refuses smaller ones already, in words.
fn http(limits: &GatewayLimits) -> auto::Builder<Tasks> {
    let mut builder = auto::Builder::new(Tasks);
    builder
        .http1()
        .timer(TokioTimer::new())
        // The watch does this for all kinds of connections, without a timer per request.
        .header_read_timeout(None)
        .max_buf_size((limits.header_bytes_max * 2).max(HTTP1_BUFFER_BYTES_MIN));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::HTTP2_STREAMS_MAX)
        .initial_stream_window_size(limits::HTTP2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::HTTP2_CONNECTION_WINDOW_BYTES)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .keep_alive_interval(limits::HTTP2_PING_INTERVAL)
        .keep_alive_timeout(limits::HTTP2_PING_INTERVAL);
    builder
}

/// What hyper accepts as the least.
const HTTP1_BUFFER_BYTES_MIN: usize = 8192;

/// Runs the streams of HTTP/2 connections, one task each.
#[derive(Clone, Copy)]
struct Tasks;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, stream: F) {
        task::spawn(TaskKind::Request, "http2 stream", stream);
    }
}
