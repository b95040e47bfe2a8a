//! The inspector's port: HTTP/1.1 with the list of targets, and a WebSocket at each target's id.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use isobase_base::limits::{INSPECTOR_CONNECTIONS_MAX, INSPECTOR_HEAD_TIMEOUT};
use isobase_base::task::{self, TaskKind};
use isobase_base::websocket;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::targets::Target;
use super::{Inspector, guard, listing, session};

/// After the system had no socket to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Answer = Response<Full<Bytes>>;

pub(super) async fn run(inspector: Inspector, listener: TcpListener) {
    let seats = Arc::new(Semaphore::new(INSPECTOR_CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = inspector.stopping().cancelled() => return,
        };
        let connection = match accepted {
            Ok((connection, _)) => connection,
            Err(error) => {
                tracing::warn!(%error, "the inspector could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Beyond the bound it is dropped, which closes it.
        let Ok(seat) = seats.clone().try_acquire_owned() else { continue };
        let inspector = inspector.clone();
        task::spawn(TaskKind::Request, "inspector connection", async move {
            serve(inspector, connection).await;
            drop(seat);
        });
    }
}

/// One connection, with the debugger's session that it may become.
async fn serve(inspector: Inspector, connection: TcpStream) {
    // Small messages one by one: a debugger waits for each.
    let _ = connection.set_nodelay(true);
    let local = connection.local_addr().ok();
    let (opened, session) = tokio::sync::oneshot::channel();
    let opened = parking_lot::Mutex::new(Some(opened));
    let service = service_fn(|request: Request<Incoming>| {
        let answer = answer(&inspector, local, request);
        if let (answer, Some(session)) = answer {
            if let Some(opened) = opened.lock().take() {
                let _ = opened.send(session);
            }
            return std::future::ready(Ok::<_, Infallible>(answer));
        }
        std::future::ready(Ok(answer.0))
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(INSPECTOR_HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(connection), service)
        .with_upgrades();
    tokio::select! {
        served = served => if served.is_err() { return },
        () = inspector.stopping().cancelled() => return,
    }
    drop(opened);
    let Ok((target, upgrade)) = session.await else { return };
    if let Ok(upgraded) = upgrade.await {
        session::run(TokioIo::new(upgraded), &target, inspector.stopping()).await;
    }
}

type Session = (Arc<Target>, hyper::upgrade::OnUpgrade);

fn answer(
    inspector: &Inspector,
    local: Option<SocketAddr>,
    mut request: Request<Incoming>,
) -> (Answer, Option<Session>) {
    if let Some(why) = guard::refusal(request.headers()) {
        return (text(StatusCode::FORBIDDEN, why), None);
    }
    if request.method() != Method::GET {
        return (text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n"), None);
    }
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok().map(str::to_owned));
    let host = host.or_else(|| Some(local?.to_string())).unwrap_or_default();
    match request.uri().path() {
        "/json" | "/json/" | "/json/list" => {
            let targets = inspector.all();
            return (json(&listing::list(targets.iter().map(Arc::as_ref), &host)), None);
        }
        "/json/version" => return (json(&listing::version()), None),
        _ => {}
    }
    let id = request.uri().path().trim_start_matches('/');
    let Some(target) = inspector.find(id.strip_prefix("ws/").unwrap_or(id)) else {
        return (text(StatusCode::NOT_FOUND, "no such target; /json/list has those there are\n"), None);
    };
    let Ok(response) = websocket::accept(request.headers()) else {
        return (text(StatusCode::BAD_REQUEST, "this is the address of a WebSocket\n"), None);
    };
    let response = response.map(|()| Full::default());
    (response, Some((target, hyper::upgrade::on(&mut request))))
}

fn json(document: &serde_json::Value) -> Answer {
    let mut response = Response::new(Full::from(document.to_string()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn text(status: StatusCode, text: &'static str) -> Answer {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}
