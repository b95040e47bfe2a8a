//! The function's requests to its project's API, on their way to the host.

use std::io;

use futures::FutureExt as _;
use http::header::{CONNECTION, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::{Request, Response, StatusCode, Version};
use http_body_util::BodyExt as _;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use isobase_base::task::{self, TaskKind};
use isobase_base::{Body, BodyError};
use isobase_http::Inward;
use tokio::net::UnixStream;

use std::sync::Arc;

/// From now on such requests go to the host over `stream`.
pub(super) async fn open(inward: &Inward, stream: UnixStream) -> io::Result<()> {
    let mut client = http2::Builder::new(TokioExecutor::new());
    client.adaptive_window(true);
    let (sender, connection) = client.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    task::spawn(TaskKind::Request, "calls to the host", async move {
        // It ends with the host.
        let _ = connection.await;
    });
    inward.open(Arc::new(move |request| {
        let sender = sender.clone();
        async move { send(sender, request).await }.boxed()
    }));
    Ok(())
}

async fn send(mut sender: SendRequest<Body>, mut request: Request<Body>) -> Response<Body> {
    *request.version_mut() = Version::HTTP_2;
    // HTTP/2 has these in other forms.
    [CONNECTION, HOST, TE, TRANSFER_ENCODING, UPGRADE]
        .iter()
        .for_each(|name| drop(request.headers_mut().remove(name)));
    match sender.send_request(request).await {
        Ok(mut response) => {
            *response.version_mut() = Version::HTTP_11;
            response.map(|body| Body::wrap(body.map_err(|error| BodyError::Source(error.to_string()))))
        }
        Err(error) => {
            let mut response = Response::new(Body::from(format!("the host did not answer: {error}")));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}
