//! One attempt: the request on the wire, its redirects, its response within bounds.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use isobase_base::limits::OUTBOUND_REDIRECTS_MAX;
use serde_json::{Map, Value};
use url::Url;

use super::claimed::{Claimed, Options};
use super::lanes::Health;
use super::signature;
use crate::client::{HttpClient, SendError};

/// What `pg_net` calls itself, and what sends in its name.
const USER_AGENT: &str = concat!("pg_net/0.14.0 isobase/", env!("CARGO_PKG_VERSION"));

/// How an attempt ended. Without a status there is an error.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) status: Option<u16>,
    pub(super) content_type: Option<String>,
    pub(super) headers: Option<Value>,
    /// The body, where it is text Postgres can hold.
    pub(super) text: Option<String>,
    /// The body, where it is not.
    pub(super) bytes: Option<Bytes>,
    pub(super) timed_out: bool,
    pub(super) error: Option<String>,
    pub(super) duration: Duration,
    pub(super) retry_after: Option<Duration>,
    /// Whether the same request may fare better later, where there is no status.
    pub(super) is_worth_retrying: bool,
}

impl Outcome {
    fn failed(error: impl Into<String>, is_worth_retrying: bool) -> Self {
        Self { error: Some(error.into()), is_worth_retrying, ..Self::default() }
    }

    fn of_send_error(error: &SendError) -> Self {
        // As libcurl words them, where it has words: programs look for these.
        let (text, later) = match error {
            SendError::Refused(refusal) => (refusal.to_string(), false),
            SendError::BadUrl => ("URL using bad/illegal format or missing URL".into(), false),
            SendError::Name => ("Couldn't resolve host name".into(), true),
            SendError::Connect => ("Couldn't connect to server".into(), true),
            SendError::ConnectTimeout => ("Couldn't connect to server in time".into(), true),
            SendError::Tls => ("SSL connect error".into(), true),
            SendError::Broken => ("Failure when receiving data from the peer".into(), true),
        };
        Self::failed(text, later)
    }

    pub(super) fn health(&self) -> Health {
        if self.status.is_none() && self.is_worth_retrying { Health::Silent } else { Health::Answered }
    }

    pub(super) fn body_bytes(&self) -> usize {
        self.text.as_ref().map_or(0, String::len) + self.bytes.as_ref().map_or(0, Bytes::len)
    }

    pub(super) fn in_short(&self) -> String {
        match (&self.error, self.status) {
            (Some(error), _) => error.clone(),
            (None, Some(status)) => format!("status {status}"),
            (None, None) => "no response".into(),
        }
    }
}

/// Sends `claimed` once, within its timeout.
pub(super) async fn attempt(client: &HttpClient, claimed: &Claimed, key_prefix: &str) -> Outcome {
    let began = Instant::now();
    let mut outcome = match &claimed.options {
        Err(error) => Outcome::failed(format!("the request's options cannot be read: {error}"), false),
        Ok(options) => {
            let exchanged = exchange(client, claimed, options, key_prefix);
            tokio::time::timeout(claimed.timeout, exchanged).await.unwrap_or_else(|_| Outcome {
                timed_out: true,
                ..Outcome::failed(timeout_text(claimed.timeout, began.elapsed()), true)
            })
        }
    };
    outcome.duration = began.elapsed();
    outcome
}

/// As pg_net words it.
fn timeout_text(timeout: Duration, elapsed: Duration) -> String {
    let elapsed = elapsed.as_secs_f64() * 1000.0;
    format!("Timeout of {} ms reached. Total time: {elapsed:.6} ms", timeout.as_millis())
}

async fn exchange(client: &HttpClient, claimed: &Claimed, options: &Options, key_prefix: &str) -> Outcome {
    let mut hop = match Hop::first(claimed, options, key_prefix) {
        Ok(hop) => hop,
        Err(error) => return Outcome::failed(error, false),
    };
    for _ in 0..=OUTBOUND_REDIRECTS_MAX {
        let request = match hop.request() {
            Ok(request) => request,
            Err(error) => return Outcome::failed(error, false),
        };
        let response = match client.send(request).await {
            Ok(response) => response,
            Err(error) => return Outcome::of_send_error(&error),
        };
        if options.follows_redirects() && hop.follow(&response) {
            continue;
        }
        return read(response, options.response_bytes_max()).await;
    }
    Outcome::failed("Number of redirects hit maximum amount", false)
}

/// A request as the next hop is to see it.
struct Hop {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
}

impl Hop {
    fn first(claimed: &Claimed, options: &Options, key_prefix: &str) -> Result<Self, String> {
        let method = Method::from_bytes(claimed.method.to_ascii_uppercase().as_bytes());
        let method = method.map_err(|_| format!("{:?} is no HTTP method", claimed.method))?;
        let url = Url::parse(&claimed.url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or("URL using bad/illegal format or missing URL")?;
        let mut headers = given(claimed.headers.as_ref())?;
        headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT));
        headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        let key = options.idempotency_key.clone().unwrap_or_else(|| match key_prefix {
            "" => claimed.id.to_string(),
            prefix => format!("{prefix}-{}", claimed.id),
        });
        let key_value = HeaderValue::from_str(&key).map_err(|_| "the idempotency key is no header value")?;
        headers.entry("idempotency-key").or_insert(key_value);
        if let Some(secret) = &options.signing_secret {
            sign(&mut headers, secret, &key, &claimed.body);
        }
        Ok(Self { method, url, headers, body: claimed.body.clone() })
    }

    fn request(&self) -> Result<Request<crate::ClientBody>, String> {
        let mut url = self.url.clone();
        url.set_fragment(None);
        let mut headers = self.headers.clone();
        if !url.username().is_empty() && !headers.contains_key(header::AUTHORIZATION) {
            headers.insert(header::AUTHORIZATION, basic(&url)?);
        }
        _ = url.set_username("");
        _ = url.set_password(None);
        let uri: Uri = url.as_str().parse().map_err(|_| "URL using bad/illegal format or missing URL")?;
        let body = Full::new(self.body.clone()).map_err(|never| match never {}).boxed_unsync();
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Turns to where `response` points; false if it points nowhere. As browsers and curl do: 303, and
    /// 301 and 302 after a POST, become a GET; secrets stay with the host they were meant for.
    fn follow(&mut self, response: &Response<Incoming>) -> bool {
        let status = response.status();
        if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return false;
        }
        let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        let Some(next) = location.and_then(|location| self.url.join(location).ok()) else { return false };
        let becomes_get = match status {
            StatusCode::SEE_OTHER => self.method != Method::HEAD,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
            self.body = Bytes::new();
            self.headers.remove(header::CONTENT_TYPE);
        }
        if next.origin() != self.url.origin() {
            for secret in ["authorization", "cookie", "apikey", "proxy-authorization"] {
                self.headers.remove(secret);
            }
        }
        self.headers.remove(header::HOST);
        self.url = next;
        true
    }
}

fn basic(url: &Url) -> Result<HeaderValue, String> {
    use base64::Engine;
    let decoded = |text: &str| {
        let pair = format!("a={text}").replace('+', "%2B");
        url::form_urlencoded::parse(pair.as_bytes())
            .next()
            .map_or_else(String::new, |(_, value)| value.into_owned())
    };
    let pair = format!("{}:{}", decoded(url.username()), decoded(url.password().unwrap_or_default()));
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    HeaderValue::from_str(&format!("Basic {encoded}"))
        .map_err(|_| "the URL's password is no header value".into())
}

/// The headers of a request: an object of texts, numbers or lists of them.
fn given(headers: Option<&Value>) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    let Some(Value::Object(headers)) = headers else { return Ok(map) };
    for (name, value) in headers {
        let parsed =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is no header name"))?;
        // How a message is framed is the client's to say.
        if [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::UPGRADE]
            .contains(&parsed)
        {
            continue;
        }
        let values = match value {
            Value::Array(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in values {
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let value = HeaderValue::from_str(&text)
                .map_err(|_| format!("the value of header {name} is not valid"))?;
            map.append(parsed.clone(), value);
        }
    }
    Ok(map)
}

fn sign(headers: &mut HeaderMap, secret: &str, key: &str, body: &[u8]) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let timestamp = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let signature = signature::sign(secret, key, timestamp, body);
    for (name, value) in [
        ("webhook-id", key.to_owned()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signature),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

async fn read(response: Response<Incoming>, bytes_max: usize) -> Outcome {
    let (head, body) = response.into_parts();
    let mut outcome = Outcome {
        status: Some(head.status.as_u16()),
        content_type: joined(&head.headers, &header::CONTENT_TYPE),
        headers: Some(as_json(&head.headers)),
        retry_after: head.headers.get(header::RETRY_AFTER).and_then(retry_after),
        ..Outcome::default()
    };
    match Limited::new(body, bytes_max).collect().await {
        Ok(whole) => {
            let whole = whole.to_bytes();
            match std::str::from_utf8(&whole) {
                Ok(text) if !text.contains('\0') => outcome.text = Some(text.to_owned()),
                _ => outcome.bytes = Some(whole),
            }
        }
        Err(error) if error.is::<LengthLimitError>() => {
            outcome.error = Some(format!("the response's body is larger than {bytes_max} bytes"));
        }
        Err(_) => return Outcome::failed("Failure when receiving data from the peer", true),
    }
    outcome
}

/// Repeated headers become one, as RFC 9110 lets them; cookies, which it does not, a line each.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let separator = if name == header::SET_COOKIE { "\n" } else { ", " };
    let values: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).replace('\0', ""))
        .collect();
    (!values.is_empty()).then(|| values.join(separator))
}

fn as_json(headers: &HeaderMap) -> Value {
    let pairs =
        headers.keys().filter_map(|name| Some((name.as_str().to_owned(), joined(headers, name)?.into())));
    Value::Object(pairs.collect::<Map<String, Value>>())
}

/// Seconds, or a date.
fn retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    (at.to_utc() - chrono::Utc::now()).to_std().ok()
}
