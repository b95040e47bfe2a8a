//! Queues as the caller. `../parity.ts` answers the same paths with the same JSON.

use std::time::Duration;

use isobase_sdk::queue::{Batch, Error, Message, Outgoing, Session};
use isobase_sdk::{Request, Response, database};
use serde_json::{Value, json};

use crate::sql::failed;

/// `/queue-send?queue=…&m=JSON&h=JSON&delay=MS`: the id.
pub(crate) fn send(request: &Request) -> Response {
    answer(outgoing(request).and_then(|message| session(request).send(&queue(request), message)))
}

/// `/queue-send-batch?queue=…&m=JSON&m=JSON`: the ids.
pub(crate) fn send_batch(request: &Request) -> Response {
    let texts = request.query_pairs().filter(|(name, _)| name == "m").map(|(_, text)| text);
    let messages: Result<Vec<_>, Error> = texts.map(|text| Outgoing::json(&parsed(&text))).collect();
    answer(messages.and_then(|messages| session(request).send_batch(&queue(request), messages)))
}

/// `/queue-read?queue=…&visibility=MS&quantity=N`: the messages, without their time.
pub(crate) fn read(request: &Request) -> Response {
    let visibility = Duration::from_millis(number(request, "visibility"));
    let quantity = u32::try_from(number(request, "quantity")).unwrap_or(u32::MAX);
    let messages = session(request).read(&queue(request), visibility, quantity);
    let shown = |message: &Message| {
        json!({
            "id": message.id,
            "attempts": message.attempts,
            "headers": message.headers.as_deref().map(parsed),
            "message": parsed(&message.message),
            "dated": message.enqueued_at.len(),
        })
    };
    answer(messages.map(|messages| messages.iter().map(shown).collect::<Value>()))
}

/// `/queue-settle?queue=…&how=ack|archive|extend&id=1&id=2&visibility=MS`: the ids.
pub(crate) fn settle(request: &Request) -> Response {
    let ids = request.query_pairs().filter(|(name, _)| name == "id");
    let ids: Vec<i64> = ids.filter_map(|(_, id)| id.parse().ok()).collect();
    let (session, queue) = (session(request), queue(request));
    answer(match request.query_value("how").as_deref() {
        Some("archive") => session.archive(&queue, &ids),
        Some("extend") => session.extend(&queue, &ids, Duration::from_millis(number(request, "visibility"))),
        _ => session.ack(&queue, &ids),
    })
}

/// `/queue-metrics?queue=…`, without ages.
pub(crate) fn metrics(request: &Request) -> Response {
    let metrics = session(request).metrics(&queue(request));
    answer(metrics.map(|metrics| {
        let is_empty = metrics.newest_age.is_none() && metrics.oldest_age.is_none();
        json!({ "length": metrics.length, "visible": metrics.visible, "total": metrics.total, "empty": is_empty })
    }))
}

/// Consumes a queue: writes each message's key and attempts into table `consumed`, and has those whose
/// body is `{"fail": true}` tried again.
pub(crate) fn consume(mut request: Request) -> Response {
    let mut batch = match Batch::of(&mut request) {
        Ok(Some(batch)) => batch,
        Ok(None) => return Response::new(404),
        Err(error) => return Response::text(error.to_string()).with_status(400),
    };
    for message in batch.take() {
        let body: Value = message.json().unwrap_or_default();
        let sql = "insert into consumed (key, attempts, body) values ($1, $2, $3::jsonb)";
        let attempts = i64::from(message.attempts);
        if let Err(error) = database::query(sql, (message.idempotency_key.clone(), attempts, message.text()))
        {
            return Response::text(error.to_string()).with_status(500);
        }
        if body["fail"] == true {
            batch.retry(message.id, None, "asked to fail");
        }
    }
    batch.into_response()
}

fn queue(request: &Request) -> String {
    request.query_value("queue").unwrap_or_else(|| "todos".into())
}

fn session(request: &Request) -> Session {
    match request.query_value("as").as_deref() {
        Some("service") => Session::service(),
        _ => Session::caller(),
    }
}

fn outgoing(request: &Request) -> Result<Outgoing, Error> {
    let mut message = Outgoing::json(&parsed(&request.query_value("m").unwrap_or_default()))?;
    if let Some(headers) = request.query_value("h") {
        message = message.headers(&parsed(&headers))?;
    }
    Ok(message.delay(Duration::from_millis(number(request, "delay"))))
}

fn number(request: &Request, name: &str) -> u64 {
    request.query_value(name).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

fn answer<T: serde::Serialize>(result: Result<T, Error>) -> Response {
    match result {
        Ok(value) => Response::json(&value),
        Err(error) => failed(&error),
    }
}
