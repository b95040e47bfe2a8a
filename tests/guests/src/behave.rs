//! Functions as they should be.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use isobase_sdk::{Request, Response, caller};
use serde_json::json;

pub(crate) fn hello() -> Response {
    Response::text("hello")
}

/// What arrived, as JSON.
pub(crate) fn head(request: &Request) -> Response {
    let headers: BTreeMap<_, _> =
        request.headers().iter().map(|(name, value)| (name, String::from_utf8_lossy(value))).collect();
    let body = json!({
        "method": request.method().as_str(), "path": request.path(), "query": request.query(),
        "authority": request.authority(), "headers": headers,
    });
    Response::json(&body)
}

/// The body, moved within the host.
pub(crate) fn echo(mut request: Request) -> Response {
    Response::forward(request.take_body())
}

/// The body, piece by piece through the function's memory.
pub(crate) fn echo_by_hand(mut request: Request) -> Response {
    let mut body = request.take_body();
    Response::stream(move |out| {
        while let Some(chunk) = body.chunk().map_err(std::io::Error::other)? {
            out.write_all(&chunk)?;
        }
        Ok(())
    })
}

/// The body read whole, in upper case.
pub(crate) fn upper(mut request: Request) -> Response {
    match request.text() {
        Ok(text) => Response::text(text.to_uppercase()),
        Err(error) => Response::text(error.to_string()).with_status(400),
    }
}

/// How many requests this instance has answered.
pub(crate) fn count() -> Response {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    Response::text((COUNT.fetch_add(1, Ordering::Relaxed) + 1).to_string())
}

pub(crate) fn environment() -> Response {
    Response::json(&std::env::vars().collect::<BTreeMap<_, _>>())
}

pub(crate) fn caller() -> Response {
    let principal = caller::current();
    Response::json(&json!({
        "role": principal.role,
        "claims": principal.claims_as::<serde_json::Value>().unwrap_or_default(),
        "request_id": caller::request_id(), "traceparent": caller::traceparent(),
    }))
}

/// `?bytes=N` of body, in pieces of `?piece=N` (64 KiB).
pub(crate) fn big(request: &Request) -> Response {
    let bytes = number(request, "bytes", 1 << 20);
    let piece = number(request, "piece", 64 << 10);
    Response::stream(move |out| {
        let chunk = vec![b'x'; usize::try_from(piece).unwrap_or(1)];
        let mut left = bytes;
        while left > 0 {
            let next = left.min(piece);
            out.write_all(&chunk[..next as usize])?;
            left -= next;
        }
        Ok(())
    })
}

/// `?pieces=N` pieces, one each `?millis=N`.
pub(crate) fn slow_stream(request: &Request) -> Response {
    let pieces = number(request, "pieces", 10);
    let pause = Duration::from_millis(number(request, "millis", 10));
    Response::stream(move |out| {
        for piece in 0..pieces {
            // In one piece: `writeln!` would make two of it.
            out.write_all(format!("{piece}\n").as_bytes())?;
            std::thread::sleep(pause);
        }
        Ok(())
    })
}

/// `?lines=N` lines on stdout, each `?bytes=N` long, one on stderr, and one without its end.
#[allow(clippy::print_stdout, clippy::print_stderr, reason = "what it is for")]
pub(crate) fn log(request: &Request) -> Response {
    let line = "l".repeat(number(request, "bytes", 10) as usize);
    for number in 0..number(request, "lines", 1) {
        println!("{number} {line}");
    }
    eprintln!("to stderr");
    print!("no newline");
    // A component does not end with its request: nobody else flushes.
    let flushed = std::io::stdout().flush();
    Response::text(if flushed.is_ok() { "logged" } else { "stdout is closed" })
}

/// The status and body of `?url=`.
pub(crate) fn fetch(request: &Request) -> Response {
    let url = request.query_value("url").unwrap_or_default();
    match isobase_sdk::fetch(Request::builder(isobase_sdk::Method::Get, url).build()) {
        Ok(mut response) => {
            let status = response.status();
            match response.take_body().read_all() {
                Ok(body) => Response::bytes(body).with_status(status),
                Err(error) => Response::text(error.to_string()).with_status(502),
            }
        }
        Err(error) => Response::text(error.to_string()).with_status(502),
    }
}

/// Answers after `?millis=N` in the host.
pub(crate) fn sleep(request: &Request) -> Response {
    std::thread::sleep(Duration::from_millis(number(request, "millis", 10)));
    Response::text("slept")
}

pub(crate) fn random() -> Response {
    use std::hash::{BuildHasher, RandomState};
    Response::text(RandomState::new().hash_one(0).to_string())
}

/// Keeps `?bytes=N` more memory than before.
pub(crate) fn keep(request: &Request) -> Response {
    static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
    let mut kept = KEPT.lock().unwrap();
    kept.push(vec![1; number(request, "bytes", 1 << 20) as usize]);
    Response::text(kept.len().to_string())
}

pub(crate) fn number(request: &Request, name: &str, default: u64) -> u64 {
    request.query_value(name).and_then(|value| value.parse().ok()).unwrap_or(default)
}
