//! Messages to sockets. `../parity.ts` answers the same paths with the same JSON.

use isobase_sdk::realtime::{self, Error};
use isobase_sdk::{Request, Response};
use serde_json::{Value as Json, json};

/// `/publish?topic=…&event=…&payload=JSON`, or `&bytes=TEXT`; `&private=1` for a private channel.
pub(crate) fn publish(request: &Request) -> Response {
    let value = |name: &str| request.query_value(name).unwrap_or_default();
    let mut topic = realtime::topic(value("topic"));
    if request.query_value("private").is_some() {
        topic = topic.private();
    }
    let published = match request.query_value("bytes") {
        Some(text) => topic.publish_bytes(&value("event"), text.as_bytes()),
        None => {
            let payload: Json = serde_json::from_str(&value("payload")).unwrap_or_default();
            topic.publish(&value("event"), &payload)
        }
    };
    match published {
        Ok(()) => Response::json(&json!({ "published": true })),
        Err(error) => Response::json(&failed(&error)).with_status(400),
    }
}

fn failed(error: &Error) -> Json {
    match error {
        Error::Refused(message) => json!({ "kind": "refused", "message": message }),
        Error::TooLarge => json!({ "kind": "too-large" }),
        Error::TooFast => json!({ "kind": "too-fast" }),
        Error::Unavailable => json!({ "kind": "unavailable" }),
    }
}
