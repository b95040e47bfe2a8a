//! What a sender of webhooks is answered by the host itself.

use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use isobase_base::Body;
use serde_json::{Value, json};

use super::store::Kept;

/// 202: stored, and from now on the host's affair.
pub(super) fn kept(kept: &Kept) -> Response<Body> {
    answer(StatusCode::ACCEPTED, &json!({ "id": kept.id, "duplicate": kept.is_duplicate }))
}

/// 401, with the reason: it helps whoever sets the webhook up, and nobody to forge one.
pub(super) fn unverified(error: &isobase_webhook::Error) -> Response<Body> {
    let body = json!({
        "code": "UNAUTHORIZED_WEBHOOK",
        "reason": error.code(),
        "message": format!("The webhook's signature was not accepted: {error}"),
    });
    answer(StatusCode::UNAUTHORIZED, &body)
}

pub(super) fn challenge(challenge: &str) -> Response<Body> {
    answer(StatusCode::OK, &json!({ "challenge": challenge }))
}

pub(super) fn not_post() -> Response<Body> {
    let body = json!({ "code": "METHOD_NOT_ALLOWED", "message": "A webhook is sent with POST" });
    with(answer(StatusCode::METHOD_NOT_ALLOWED, &body), ALLOW, "POST")
}

pub(super) fn too_large(bytes_max: u64) -> Response<Body> {
    let message = format!("The webhook is longer than {bytes_max} bytes");
    answer(StatusCode::PAYLOAD_TOO_LARGE, &json!({ "code": "PAYLOAD_TOO_LARGE", "message": message }))
}

pub(super) fn broken_off() -> Response<Body> {
    answer(StatusCode::BAD_REQUEST, &json!({ "code": "BODY_BROKEN_OFF", "message": "The body broke off" }))
}

/// 503: it was not stored, so the sender must send it again.
pub(super) fn not_kept() -> Response<Body> {
    let body =
        json!({ "code": "INBOX_UNAVAILABLE", "message": "The webhook could not be stored; send it again" });
    with(answer(StatusCode::SERVICE_UNAVAILABLE, &body), RETRY_AFTER, "1")
}

/// 503: there is no secret to check it with. Why is for the host's log, not for the sender.
pub(super) fn not_receiving() -> Response<Body> {
    let message = "This function cannot check webhooks yet; send it again later";
    let body = json!({ "code": "WEBHOOK_NOT_CONFIGURED", "message": message });
    with(answer(StatusCode::SERVICE_UNAVAILABLE, &body), RETRY_AFTER, "60")
}

fn answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    with(response, CONTENT_TYPE, "application/json")
}

fn with(mut response: Response<Body>, name: http::HeaderName, value: &'static str) -> Response<Body> {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}
