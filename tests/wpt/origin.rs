//! Serves the suite's files on this machine, and answers for those of its server's scripts that tests of the
//! selection ask (`scripts.rs`). Templates (`?pipe=sub`, `.sub.`) are filled in with this one origin.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use isobase_base::task::{self, TaskKind};
use tokio::net::TcpListener;

use crate::scripts::{Asked, Stash, answer};
use crate::test_file::suite;

pub(crate) type Answered = Response<BoxBody<Bytes, Infallible>>;

/// Starts on a free port and gives the origin, `http://127.0.0.1:…`. It ends with the test's runtime.
pub(crate) async fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let origin: Arc<str> = format!("http://{address}").into();
    let given = origin.to_string();
    let stash = Arc::new(Stash::default());
    task::spawn(TaskKind::Request, "suite's server", async move {
        while let Ok((connection, _)) = listener.accept().await {
            let (origin, stash) = (origin.clone(), stash.clone());
            let service = service_fn(move |request| respond(request, origin.clone(), stash.clone()));
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(connection), service);
            task::spawn(TaskKind::Request, "suite's connection", async {
                // A test may break it off.
                _ = connection.await;
            });
        }
    });
    given
}

async fn respond(
    request: Request<Incoming>,
    origin: Arc<str>,
    stash: Arc<Stash>,
) -> Result<Answered, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().trim_start_matches('/').to_owned();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let asked = Asked::new(head, body);
    if let Some(answered) = answer(&path, &asked, &stash).await {
        return Ok(answered);
    }
    let file = suite().join("vendor").join(&path);
    let Ok(content) = std::fs::read(&file) else { return Ok(plain(StatusCode::NOT_FOUND, "")) };
    let is_template = path.contains(".sub.") || asked.parameter("pipe").is_some_and(|pipe| pipe == "sub");
    let header = |name: &str| asked.header(name).unwrap_or_default().to_owned();
    let content: Bytes = match is_template {
        true => fill(&String::from_utf8_lossy(&content), &origin, header).into(),
        false => content.into(),
    };
    let response = Response::builder().header("content-type", content_type(&path));
    Ok(response.body(full(content)).expect("a valid response"))
}

pub(crate) fn full(content: impl Into<Bytes>) -> BoxBody<Bytes, Infallible> {
    Full::new(content.into()).boxed()
}

pub(crate) fn plain(status: StatusCode, text: &str) -> Answered {
    let response = Response::builder().status(status).header("content-type", "text/plain");
    response.body(full(text.to_owned())).expect("a valid response")
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("event_stream") => "text/event-stream",
        Some("html") => "text/html",
        Some("js") => "text/javascript",
        Some("json") => "application/json",
        Some("png") => "image/png",
        Some("txt") => "text/plain",
        _ => "application/octet-stream",
    }
}

/// Fills in what templates name: hosts and ports, and headers of the request.
pub(crate) fn fill(text: &str, origin: &str, header: impl Fn(&str) -> String) -> String {
    let (_, address) = origin.split_once("//").expect("an origin has a scheme");
    let (host, port) = address.split_once(':').expect("it has a port");
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, (name, after))) =
        rest.split_once("{{").and_then(|(before, inside)| Some((before, inside.split_once("}}")?)))
    {
        filled.push_str(before);
        match name.trim().strip_prefix("headers[").map(|name| name.trim_end_matches(']')) {
            Some(name) => filled.push_str(&header(name)),
            None if name.contains("ports") => filled.push_str(port),
            None => filled.push_str(host),
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}
