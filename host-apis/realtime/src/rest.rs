//! Broadcasts by HTTP: for servers, and for clients that have no socket open.

use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use isobase_base::{Body, BodyError, Principal, Role, limits};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::Hub;
use crate::message::{Event, Message, Payload, Unsendable};
use crate::protocol::text;
use crate::service::{With, json_response, parameter, told};
use crate::topic::{Topic, Visibility};

const RATE_ROLLING: HeaderName = HeaderName::from_static("x-rate-rolling");
const RATE_LIMIT: HeaderName = HeaderName::from_static("x-rate-limit");
const RATE_REMAINING: HeaderName = HeaderName::from_static("x-rate-limit-remaining");

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    messages: Vec<Item<'a>>,
}

/// Fields are read leniently, so that each message can be told what is wrong with it.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(default)]
    topic: Value,
    #[serde(default)]
    event: Value,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
    #[serde(default)]
    private: Value,
    #[serde(default)]
    id: Value,
}

/// `POST /api/broadcast`: several messages, as text frames. Those that the caller may not send are
/// left out, and the answer does not tell.
pub(crate) async fn batch(hub: &Hub, principal: &Principal, request: Request<Body>) -> Response<Body> {
    let body = match collect(request.into_body()).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let Ok(Batch { messages }) = serde_json::from_slice(&body) else {
        let errors = json!({ "errors": { "messages": ["must be a list of messages"] } });
        return json_response(StatusCode::UNPROCESSABLE_ENTITY, &errors);
    };
    if messages.len() > limits::REALTIME_BATCH_MESSAGES_MAX {
        let errors = json!({ "errors": { "messages": ["are too many"] } });
        return json_response(StatusCode::UNPROCESSABLE_ENTITY, &errors);
    }
    let read: Vec<_> = messages.iter().map(Item::read).collect();
    if read.iter().any(Result::is_err) {
        let of_each = |read: &Result<_, Value>| read.as_ref().err().cloned().unwrap_or_else(|| json!({}));
        let errors: Vec<Value> = read.iter().map(of_each).collect();
        let errors = json!({ "errors": { "messages": errors } });
        return json_response(StatusCode::UNPROCESSABLE_ENTITY, &errors);
    }
    if !hub.published().lock().admits(read.len(), Instant::now()) {
        return too_fast(hub);
    }
    for (topic, visibility, message) in read.into_iter().flatten() {
        if may_write(principal, visibility) {
            hub.publish(&topic, visibility, &message, None);
        }
    }
    accepted(hub)
}

/// `POST /api/broadcast/{topic}/events/{event}`: one message, JSON or bytes.
pub(crate) async fn single(
    hub: &Hub,
    principal: &Principal,
    topic: &str,
    event: &str,
    request: Request<Body>,
) -> Response<Body> {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim().to_owned();
    let is_private = parameter(request.uri().query(), "private").is_some_and(|flag| flag == "true");
    let visibility = if is_private { Visibility::Private } else { Visibility::Public };
    let body = match collect(request.into_body()).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let payload = if kind.eq_ignore_ascii_case("application/octet-stream") {
        Payload::Binary(body)
    } else if kind.eq_ignore_ascii_case("application/json") {
        Payload::Json(body)
    } else {
        let message = "The content type must be application/json or application/octet-stream";
        return told(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
    };
    let Ok(topic) = Topic::named(topic) else {
        return told(StatusCode::UNPROCESSABLE_ENTITY, "A topic has 1 to 246 bytes");
    };
    let event = match Event::new(event, payload) {
        Ok(event) => event,
        Err(Unsendable::TooLarge) => return too_large(),
        Err(Unsendable::Name) => {
            return told(StatusCode::UNPROCESSABLE_ENTITY, "An event has 1 to 255 bytes");
        }
        Err(Unsendable::Malformed) => {
            return told(StatusCode::UNPROCESSABLE_ENTITY, "The payload is not JSON");
        }
    };
    if !may_write(principal, visibility) {
        return told(StatusCode::FORBIDDEN, "Unauthorized");
    }
    if !hub.published().lock().admits(1, Instant::now()) {
        return too_fast(hub);
    }
    hub.publish(&topic, visibility, &Message::Event(event), None);
    accepted(hub)
}

impl Item<'_> {
    /// The message, or what is wrong by field.
    fn read(&self) -> Result<(Topic, Visibility, Message), Value> {
        let mut errors = serde_json::Map::new();
        let mut wrong = |field: &str, what: &str| _ = errors.insert(field.into(), json!([what]));
        let topic = self.topic.as_str().and_then(|topic| Topic::named(topic).ok());
        if topic.is_none() {
            wrong("topic", if self.topic.is_null() { "can't be blank" } else { "is invalid" });
        }
        let event = self.event.as_str().filter(|event| !event.is_empty());
        if event.is_none() {
            wrong("event", if self.event.is_null() { "can't be blank" } else { "is invalid" });
        }
        let payload = self.payload.map(RawValue::get).filter(|payload| payload.starts_with('{'));
        match payload {
            Some(payload) if payload.len() > limits::REALTIME_PAYLOAD_BYTES_MAX => {
                wrong("payload", "Payload size exceeds tenant limit");
            }
            Some(_) => {}
            None => wrong("payload", if self.payload.is_none() { "can't be blank" } else { "is invalid" }),
        }
        let visibility =
            if self.private == Value::Bool(true) { Visibility::Private } else { Visibility::Public };
        match (topic, event, payload) {
            (Some(topic), Some(event), Some(payload)) if errors.is_empty() => {
                let metadata = self.id.as_str().map(|id| json!({ "id": id }).to_string());
                let object = text::payload_of(event, payload, metadata.as_deref());
                let object =
                    RawValue::from_string(object).map_err(|_| json!({ "payload": ["is invalid"] }))?;
                Ok((topic, visibility, Message::Text(object)))
            }
            _ => Err(errors.into()),
        }
    }
}

/// Policies for private topics are not here yet, so those are for the role that none would bind.
fn may_write(principal: &Principal, visibility: Visibility) -> bool {
    visibility == Visibility::Public || principal.role().as_str() == Role::SERVICE
}

async fn collect(body: Body) -> Result<Bytes, Response<Body>> {
    body.collect(limits::REALTIME_FRAME_BYTES_MAX as u64).await.map_err(|error| match error {
        BodyError::TooLarge { .. } => too_large(),
        BodyError::Peer(_) | BodyError::Source(_) => told(StatusCode::BAD_REQUEST, "The body broke off"),
    })
}

fn too_large() -> Response<Body> {
    told(StatusCode::PAYLOAD_TOO_LARGE, "The payload is longer than a message may be")
}

fn accepted(hub: &Hub) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::ACCEPTED;
    with_rate(hub, response)
}

fn too_fast(hub: &Hub) -> Response<Body> {
    with_rate(hub, told(StatusCode::TOO_MANY_REQUESTS, "Too many messages per second"))
}

/// Tells how far the caller is from the limit.
fn with_rate(hub: &Hub, response: Response<Body>) -> Response<Body> {
    let now = Instant::now();
    let (rolling, remaining) = {
        let mut rate = hub.published().lock();
        (rate.rolling(now), rate.remaining(now))
    };
    let rolling = HeaderValue::try_from(format!("{rolling:.2}"));
    response
        .with(RATE_ROLLING, rolling.unwrap_or(HeaderValue::from_static("0")))
        .with(RATE_LIMIT, HeaderValue::from(limits::REALTIME_PUBLISHED_PER_SECOND_MAX))
        .with(RATE_REMAINING, HeaderValue::from(remaining))
}

#[cfg(test)]
mod tests {
    use super::{Batch, Item};
    use crate::message::Message;
    use expect_test::expect;

    #[test]
    fn messages_of_a_batch_are_read_one_by_one() {
        let text = r#"{"messages":[
            {"topic":"room","event":"e","payload":{"a":1}},
            {"topic":"room","event":"e","payload":{},"private":true,"id":"x"},
            {"topic":"","event":5,"payload":[]},
            {}
        ]}"#;
        let Batch { messages } = serde_json::from_str(text).unwrap();
        let told = |item: &Item<'_>| match item.read() {
            Ok((topic, visibility, Message::Text(object))) => {
                format!("{} {visibility:?} {}", topic.as_str(), object.get())
            }
            Ok(_) => "an event".into(),
            Err(errors) => errors.to_string(),
        };
        let lines: Vec<String> = messages.iter().map(told).collect();
        expect![[r#"
            realtime:room Public {"type":"broadcast","event":"e","payload":{"a":1}}
            realtime:room Private {"type":"broadcast","event":"e","payload":{},"meta":{"id":"x"}}
            {"topic":["is invalid"],"event":["is invalid"],"payload":["is invalid"]}
            {"topic":["can't be blank"],"event":["can't be blank"],"payload":["can't be blank"]}"#]]
        .assert_eq(&lines.join("\n"));
    }
}
