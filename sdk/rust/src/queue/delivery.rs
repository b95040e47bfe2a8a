//! Messages that the host hands to the function which consumes a queue.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::{BodyError, Request, Response};

/// The header that only the host can set.
const TRIGGER: &str = "x-isobase-trigger";

/// Messages of one delivery. What is not told to be tried again is done with when the function
/// answers; a function that fails gets all of them again.
///
/// ```
/// use isobase_sdk::queue::Batch;
/// use isobase_sdk::{Request, Response, handler};
///
/// fn serve(mut request: Request) -> Result<Response, Box<dyn std::error::Error>> {
///     let Some(mut batch) = Batch::of(&mut request)? else { return Ok(Response::new(404)) };
///     for message in batch.take() {
///         if let Err(why) = send_mail(message.json()?) {
///             batch.retry(message.id, None, &why);
///         }
///     }
///     Ok(batch.into_response())
/// }
/// # fn send_mail(_: serde_json::Value) -> Result<(), String> { Ok(()) }
///
/// handler!(serve);
/// # fn main() {}
/// ```
#[derive(Debug, Deserialize)]
pub struct Batch {
    pub queue: String,
    messages: Vec<Delivered>,
    #[serde(skip)]
    retries: Vec<Value>,
}

/// One message of a [`Batch`].
#[derive(Debug, Deserialize)]
pub struct Delivered {
    pub id: i64,
    /// How often it was handed over, this time included.
    pub attempts: u32,
    /// RFC 3339, in UTC.
    pub enqueued_at: String,
    /// The same for every delivery of the message: `<queue>:<id>`.
    pub idempotency_key: String,
    pub headers: Option<Value>,
    body: Box<RawValue>,
}

impl Batch {
    /// `None` when the request is not a delivery of the host's.
    ///
    /// # Errors
    /// When the request's body cannot be read.
    pub fn of(request: &mut Request) -> Result<Option<Self>, BodyError> {
        if request.header(TRIGGER) != Some("queue") {
            return Ok(None);
        }
        request.json().map(Some)
    }

    /// The messages, oldest first; later calls give none.
    pub fn take(&mut self) -> Vec<Delivered> {
        std::mem::take(&mut self.messages)
    }

    /// Has the message delivered again, after `delay` or after a pause that grows with its attempts.
    /// `why` is kept with the message when its attempts are used up.
    pub fn retry(&mut self, id: i64, delay: Option<Duration>, why: &str) {
        let mut entry = json!({ "id": id, "reason": why });
        if let Some(delay) = delay {
            entry["delay_seconds"] = delay.as_secs_f64().into();
        }
        self.retries.push(entry);
    }

    /// What to answer.
    pub fn into_response(self) -> Response {
        Response::json(&json!({ "retry": self.retries }))
    }
}

impl Delivered {
    /// The message as a type of your own.
    pub fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.body.get())
    }

    /// The message as JSON text.
    pub fn text(&self) -> &str {
        self.body.get()
    }
}

#[cfg(test)]
mod tests {
    use super::Batch;
    use crate::{Content, Method, Request};
    use serde_json::{Value, json};
    use std::time::Duration;

    fn request(trigger: &str) -> Request {
        let message = json!({
            "id": 7, "attempts": 2, "enqueued_at": "2026-01-01T00:00:00Z", "idempotency_key": "mails:7",
            "headers": null, "body": { "to": "ada" },
        });
        let body = json!({ "queue": "mails", "messages": [message] }).to_string();
        Request::builder(Method::Post, "/consume").header("x-isobase-trigger", trigger).body(body).build()
    }

    #[test]
    fn a_delivery_is_read_and_answered() {
        let mut batch = Batch::of(&mut request("queue")).unwrap().unwrap();
        let messages = batch.take();
        assert_eq!((messages[0].id, messages[0].idempotency_key.as_str()), (7, "mails:7"));
        assert_eq!(messages[0].json::<Value>().unwrap()["to"], "ada");
        batch.retry(7, Some(Duration::from_millis(1500)), "busy");
        let answer = batch.into_response();
        let Content::Bytes(body) = answer.content() else { panic!("a body at hand") };
        let body: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(body, json!({ "retry": [{ "id": 7, "reason": "busy", "delay_seconds": 1.5 }] }));
    }

    #[test]
    fn other_requests_are_no_deliveries() {
        assert!(Batch::of(&mut request("cron")).unwrap().is_none());
    }
}
