//! A webhook at rest: the request as it came, in a form that a table can hold.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri};
use isobase_base::{Body, FunctionSlug};
use serde_json::Value;

/// What is stored of one.
pub(super) struct Webhook {
    pub(super) function: FunctionSlug,
    pub(super) event_id: Option<String>,
    /// Path and query as the function sees them.
    pub(super) target: String,
    /// See [`headers_to_json`].
    pub(super) headers: String,
    pub(super) body: Bytes,
}

/// All lines in their order: `[[name, value], …]`. A header's value is bytes; each becomes one
/// character, so that any value survives and most can be read.
pub(super) fn headers_to_json(headers: &HeaderMap) -> String {
    let text =
        |value: &HeaderValue| value.as_bytes().iter().map(|byte| char::from(*byte)).collect::<String>();
    let lines: Vec<(&str, String)> =
        headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
    serde_json::json!(lines).to_string()
}

/// The lines again; what is no header any more is left out.
pub(super) fn headers_of_json(json: &str) -> HeaderMap {
    let lines: Vec<(String, String)> = serde_json::from_str(json).unwrap_or_default();
    let bytes =
        |text: &str| text.chars().map(|letter| u8::try_from(letter).ok()).collect::<Option<Vec<u8>>>();
    let read = lines.iter().filter_map(|(name, value)| {
        let name = HeaderName::try_from(name.as_str()).ok()?;
        Some((name, HeaderValue::from_bytes(&bytes(value)?).ok()?))
    });
    let mut headers = HeaderMap::new();
    for (name, value) in read {
        headers.append(name, value);
    }
    headers
}

/// The request as the function is to see it, on attempt `attempt`.
pub(super) fn request(
    id: &str,
    target: &str,
    headers: &str,
    body: Bytes,
    attempt: i32,
) -> Result<Request<Body>, http::Error> {
    // The host name that the gateway's functions see when nobody named one.
    let uri = Uri::builder().scheme("http").authority("localhost").path_and_query(target).build()?;
    let length = body.len();
    let mut request = Request::builder().method(Method::POST).uri(uri).body(Body::from(body))?;
    *request.headers_mut() = headers_of_json(headers);
    let own = [
        ("content-length", HeaderValue::from(length)),
        ("x-isobase-trigger", HeaderValue::from_static("webhook")),
        ("x-isobase-webhook-id", HeaderValue::try_from(id)?),
        ("x-isobase-attempt", HeaderValue::from(attempt)),
    ];
    for (name, value) in own {
        request.headers_mut().insert(name, value);
    }
    if !request.headers().contains_key("idempotency-key") {
        request.headers_mut().insert("idempotency-key", HeaderValue::try_from(id)?);
    }
    Ok(request)
}

/// The challenge that Slack sends once, to see whether the address is ours.
pub(super) fn slack_challenge(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    (body.get("type")?.as_str()? == "url_verification")
        .then(|| body.get("challenge")?.as_str().map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::{headers_of_json, headers_to_json, request, slack_challenge};
    use http::{HeaderMap, HeaderValue};

    #[test]
    fn headers_survive_whatever_their_bytes() {
        let mut headers = HeaderMap::new();
        headers.append("x-twice", HeaderValue::from_static("one"));
        headers.append("x-twice", HeaderValue::from_static("two"));
        headers.append("x-bytes", HeaderValue::from_bytes(b"\xff\xc3\xa9\"").unwrap());
        assert_eq!(headers_of_json(&headers_to_json(&headers)), headers);
    }

    #[test]
    fn an_attempt_has_the_sender_s_headers_and_ours() {
        let headers = r#"[["x-github-event","push"],["idempotency-key","theirs"],["x-isobase-attempt","9"]]"#;
        let request = request("abc", "/hook/a?b=c", headers, "body".into(), 3).unwrap();
        assert_eq!(request.uri(), "http://localhost/hook/a?b=c");
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-github-event"), "push");
        assert_eq!(header("idempotency-key"), "theirs");
        assert_eq!((header("x-isobase-attempt"), header("x-isobase-webhook-id")), ("3".into(), "abc".into()));
    }

    #[test]
    fn only_slack_s_challenge_is_one() {
        assert_eq!(slack_challenge(br#"{"type":"url_verification","challenge":"c"}"#).as_deref(), Some("c"));
        assert_eq!(slack_challenge(br#"{"type":"event_callback","challenge":"c"}"#), None);
        assert_eq!(slack_challenge(b"token=x"), None);
    }
}
