//! Requests of a process to the project's own API: HTTP/2 over a socket pair, counted by trace as those of all
//! functions are.

use std::convert::Infallible;

use http::header::RETRY_AFTER;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use isobase_base::task::{self, TaskKind};
use isobase_base::{Body, BodyError, TraceContext, limits};
use isobase_http::Inward;
use tokio::net::UnixStream;

pub(super) fn serve(stream: UnixStream, inward: Inward) {
    let service = service_fn(move |request| {
        let inward = inward.clone();
        async move { Ok::<_, Infallible>(answer(&inward, request).await) }
    });
    let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    server.timer(TokioTimer::new()).adaptive_window(true);
    server.max_concurrent_streams(limits::V8_RESOURCES_MAX as u32);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    task::spawn(TaskKind::Request, "calls of a process", async move {
        // It ends with the process.
        let _ = connection.await;
    });
}

async fn answer(inward: &Inward, request: Request<Incoming>) -> Response<Body> {
    let traceparent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    let trace = traceparent.and_then(TraceContext::continue_from);
    let request = request.map(|body| Body::wrap(body.map_err(|error| BodyError::Peer(error.to_string()))));
    match inward.send(trace.as_ref(), request) {
        Ok(sent) => {
            sent.await.unwrap_or_else(|error| said(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()))
        }
        Err(over) => {
            let mut response = said(StatusCode::TOO_MANY_REQUESTS, &over.to_string());
            let seconds = HeaderValue::from(over.retry_after.as_secs());
            response.headers_mut().insert(RETRY_AFTER, seconds);
            response
        }
    }
}

fn said(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    response
}
