//! What some of the scripts of the suite's own server answer, told from the tests that ask them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::response::Builder;
use http::{Response, StatusCode, request};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use parking_lot::Mutex;

use crate::origin::{Answered, full, plain};

/// Values that tests leave with the server and take back.
#[derive(Default)]
pub(crate) struct Stash(Mutex<HashMap<String, String>>);

impl Stash {
    fn put(&self, key: &str, value: &str) {
        self.0.lock().insert(key.to_owned(), value.to_owned());
    }

    fn take(&self, key: &str) -> Option<String> {
        self.0.lock().remove(key)
    }
}

/// A request, with its query taken apart.
pub(crate) struct Asked {
    head: request::Parts,
    query: Vec<(String, String)>,
    body: Bytes,
}

impl Asked {
    pub(crate) fn new(head: request::Parts, body: Bytes) -> Self {
        let query = head.uri.query().unwrap_or_default().as_bytes();
        let query = url::form_urlencoded::parse(query).into_owned().collect();
        Self { head, query, body }
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The header's value, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
    }

    fn number(&self, name: &str, usual: u64) -> u64 {
        self.parameter(name).and_then(|value| value.parse().ok()).unwrap_or(usual)
    }
}

/// The answer of the script at `path`, if it is one of ours.
pub(crate) async fn answer(path: &str, asked: &Asked, stash: &Arc<Stash>) -> Option<Answered> {
    let (_, script) = path.rsplit_once('/')?;
    Some(match script {
        "message.py" => message(asked).await,
        "message2.py" => events(EVENTS),
        "last-event-id.py" => last_event_id(asked),
        "status-error.py" => plain(StatusCode::from_u16(asked.number("status", 500) as u16).ok()?, ""),
        "method.py" | "echo-content.py" => about_request(asked),
        "inspect-headers.py" => inspect_headers(asked),
        "status.py" => status(asked)?,
        "redirect.py" => redirect(asked)?,
        "trickle.py" => trickle(asked),
        "infinite-slow-response.py" => endless(asked, stash),
        "stash-put.py" => {
            stash.put(asked.parameter("key")?, asked.parameter("value")?);
            plain(StatusCode::OK, "done")
        }
        "stash-take.py" => {
            let value = stash.take(asked.parameter("key")?);
            let text = value.map_or("null".to_owned(), |value| format!("\"{value}\""));
            Response::builder().header("content-type", "application/json").body(full(text)).ok()?
        }
        "clean-stash.py" => {
            plain(StatusCode::OK, if stash.take(asked.parameter("token")?).is_some() { "1" } else { "0" })
        }
        "dump-authorization-header.py" => match asked.header("authorization") {
            Some(value) => plain(StatusCode::OK, value),
            None => plain(StatusCode::OK, "none"),
        },
        _ => return None,
    })
}

fn ok() -> Builder {
    Response::builder()
}

/// Fields that are told, fields that are not, and comments.
const EVENTS: &str =
    "data:msg\ndata: msg\n\n:\nfalsefield:msg\n\nfalsefield:msg\nData:data\n\ndata\n\ndata:end\n\n";

fn events(text: impl Into<Bytes>) -> Answered {
    ok().header("content-type", "text/event-stream").body(full(text)).expect("a valid response")
}

/// An event stream that ends after what the query says.
async fn message(asked: &Asked) -> Answered {
    let end = if asked.parameter("newline") == Some("none") { "" } else { "\n\n" };
    let text = format!("{}{end}\n", asked.parameter("message").unwrap_or("data: data"));
    tokio::time::sleep(Duration::from_millis(asked.number("sleep", 0))).await;
    let mime = asked.parameter("mime").unwrap_or("text/event-stream");
    ok().header("content-type", mime).body(full(text)).expect("a valid response")
}

/// First an event with an id, then the id that came back.
fn last_event_id(asked: &Asked) -> Answered {
    events(match asked.header("last-event-id") {
        Some(id) if !id.is_empty() => format!("data: {id}\n\n"),
        _ => {
            let id = asked.parameter("idvalue").unwrap_or("\u{2026}");
            format!("id: {id}\nretry: 200\ndata: hello\n\n")
        }
    })
}

/// The method and what describes the body, in headers, and the body.
fn about_request(asked: &Asked) -> Answered {
    let mut response =
        ok().header("x-request-method", asked.head.method.as_str()).header("content-type", "text/plain");
    for name in ["content-type", "content-length", "content-encoding", "content-language", "content-location"]
    {
        response = response.header(format!("x-request-{name}"), asked.header(name).unwrap_or("NO"));
    }
    response.body(full(asked.body.clone())).expect("a valid response")
}

/// The headers that the query names, `a|b`, as `x-request-…`.
fn inspect_headers(asked: &Asked) -> Answered {
    let mut response = ok().header("content-type", "text/plain");
    for name in asked.parameter("headers").unwrap_or_default().split('|') {
        if let Some(value) = asked.header(name) {
            response = response.header(format!("x-request-{name}"), value);
        }
    }
    response.body(full("")).expect("a valid response")
}

fn status(asked: &Asked) -> Option<Answered> {
    let reason = asked.parameter("text").unwrap_or("OMG").as_bytes().to_vec();
    let mut response = ok()
        .status(asked.number("code", 200) as u16)
        .header("x-request-method", asked.head.method.as_str())
        .header("content-type", asked.parameter("type").unwrap_or_default())
        .body(full(asked.parameter("content").unwrap_or_default().to_owned()))
        .ok()?;
    response.extensions_mut().insert(hyper::ext::ReasonPhrase::try_from(reason).ok()?);
    Some(response)
}

fn redirect(asked: &Asked) -> Option<Answered> {
    let status = asked.number("redirect_status", 302) as u16;
    let response = ok().status(status).header("content-type", "text/plain");
    match asked.parameter("location") {
        Some(location) => response.header("location", location).body(full("")).ok(),
        None => response.body(full("")).ok(),
    }
}

/// Lines, one at a time.
fn trickle(asked: &Asked) -> Answered {
    let pause = Duration::from_millis(asked.number("ms", 500));
    let lines = stream::iter(0..asked.number("count", 50)).then(move |_| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"TEST_TRICKLE\n")))
    });
    let response =
        if asked.parameter("notype").is_some() { ok() } else { ok().header("content-type", "text/plain") };
    response.body(BodyExt::boxed(StreamBody::new(lines))).expect("a valid response")
}

/// Notes in the stash that nobody reads any more.
struct Closing {
    stash: Arc<Stash>,
    key: Option<String>,
}

impl Drop for Closing {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.stash.put(key, "closed");
        }
    }
}

/// Sends until nobody reads any more or the stash asks for an end, and leaves word there of which it is.
fn endless(asked: &Asked, stash: &Arc<Stash>) -> Answered {
    let key = asked.parameter("stateKey").map(str::to_owned);
    let abort = asked.parameter("abortKey").map(str::to_owned);
    if let Some(key) = &key {
        stash.put(key, "open");
    }
    let closing = Closing { stash: stash.clone(), key };
    // The first part is as large as buffers on the way may be.
    let bytes = stream::unfold((closing, 2048), move |(closing, length)| {
        let abort = abort.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let is_over = abort.is_some_and(|key| closing.stash.take(&key).is_some());
            let frame = Frame::data(Bytes::from(vec![b'.'; length]));
            (!is_over).then_some((Ok::<_, Infallible>(frame), (closing, 1)))
        }
    });
    ok().header("content-type", "text/plain")
        .body(BodyExt::boxed(StreamBody::new(bytes)))
        .expect("a valid response")
}
