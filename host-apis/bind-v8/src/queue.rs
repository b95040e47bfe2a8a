//! `isobase:host/queue`: messages, as the caller. What `js/queue.js` hands over is flat: ids as an array,
//! a message as three elements.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use deno_core::{OpState, op2};
use isobase_database::{Parameter, Value};
use isobase_queue::{Identity, Metrics, Outgoing, QueueDoor};

use crate::Callers;
use crate::database::QueryError;
use crate::database::convert::{Parameters, Rows};

fn door(state: &Rc<RefCell<OpState>>, id: u32) -> Result<QueueDoor, QueryError> {
    state.borrow_mut().borrow_mut::<Callers>().queues(id)
}

fn identity(is_service: bool) -> Identity {
    if is_service { Identity::Service } else { Identity::Caller }
}

#[op2]
pub(crate) async fn op_isobase_queue_send(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[string] queue: String,
    is_service: bool,
    #[scoped] message: Parameters,
) -> Result<Rows, QueryError> {
    let door = door(&state, id)?;
    let message = outgoing(message.0)?.pop().unwrap_or_default();
    Ok(ids(vec![door.send(&queue, identity(is_service), message).await?]))
}

#[op2]
pub(crate) async fn op_isobase_queue_send_batch(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[string] queue: String,
    is_service: bool,
    #[scoped] messages: Parameters,
) -> Result<Rows, QueryError> {
    let door = door(&state, id)?;
    let messages = outgoing(messages.0)?;
    Ok(ids(door.send_batch(&queue, identity(is_service), &messages).await?))
}

/// Rows of id, attempts, time, headers and message.
#[op2]
pub(crate) async fn op_isobase_queue_read(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[string] queue: String,
    is_service: bool,
    visibility_ms: f64,
    quantity: u32,
) -> Result<Rows, QueryError> {
    let door = door(&state, id)?;
    let messages = door.read(&queue, identity(is_service), millis(visibility_ms)?, quantity).await?;
    let row = |message: isobase_queue::Message| {
        vec![
            Value::Int64(message.id),
            Value::Int64(message.attempts.into()),
            Value::Text(message.enqueued_at),
            message.headers.map_or(Value::Null, Value::Json),
            Value::Json(message.message),
        ]
    };
    Ok(Rows(messages.into_iter().map(row).collect()))
}

/// `how`: `ack`, `archive`, or `extend` by `visibility_ms`.
#[op2]
pub(crate) async fn op_isobase_queue_settle(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[string] queue: String,
    is_service: bool,
    #[string] how: String,
    #[scoped] messages: Parameters,
    visibility_ms: f64,
) -> Result<Rows, QueryError> {
    let door = door(&state, id)?;
    let identity = identity(is_service);
    let messages = messages.0.into_iter().map(id_of).collect::<Result<Vec<_>, _>>()?;
    let settled = match how.as_str() {
        "ack" => door.ack(&queue, identity, &messages).await?,
        "archive" => door.archive(&queue, identity, &messages).await?,
        _ => door.extend(&queue, identity, &messages, millis(visibility_ms)?).await?,
    };
    Ok(ids(settled))
}

#[op2]
pub(crate) async fn op_isobase_queue_metrics(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[string] queue: String,
    is_service: bool,
) -> Result<Rows, QueryError> {
    let door = door(&state, id)?;
    let Metrics { length, visible, total, newest_age, oldest_age } =
        door.metrics(&queue, identity(is_service)).await?;
    let number = |number: u64| Value::Int64(i64::try_from(number).unwrap_or(i64::MAX));
    let age = |age: Option<u64>| age.map_or(Value::Null, number);
    Ok(Rows(vec![vec![number(length), number(visible), number(total), age(newest_age), age(oldest_age)]]))
}

fn ids(ids: Vec<i64>) -> Rows {
    Rows(ids.into_iter().map(|id| vec![Value::Int64(id)]).collect())
}

/// `[message, headers or null, delay in ms, …]`, JSON as text.
fn outgoing(flat: Vec<Parameter>) -> Result<Vec<Outgoing>, QueryError> {
    let mut messages = Vec::with_capacity(flat.len() / 3);
    let mut flat = flat.into_iter();
    while let (Some(message), Some(headers), Some(delay)) = (flat.next(), flat.next(), flat.next()) {
        let message = text(message).ok_or_else(|| QueryError::refused("a message is JSON"))?;
        let headers = text(headers);
        let delay = match delay {
            Parameter::Int32(delay) => millis(delay.into())?,
            #[allow(clippy::cast_precision_loss, reason = "checked to be exact where it was a number")]
            Parameter::Int64(delay) => millis(delay as f64)?,
            Parameter::Float64(delay) => millis(delay)?,
            _ => return Err(QueryError::refused("a delay is a number of milliseconds")),
        };
        messages.push(Outgoing { message, headers, delay });
    }
    Ok(messages)
}

fn text(parameter: Parameter) -> Option<String> {
    match parameter {
        Parameter::Text(text) => String::from_utf8(text.into()).ok(),
        _ => None,
    }
}

fn id_of(parameter: Parameter) -> Result<i64, QueryError> {
    let id = match parameter {
        Parameter::Int32(id) => Some(id.into()),
        Parameter::Int64(id) => Some(id),
        Parameter::Text(text) => std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()),
        _ => None,
    };
    id.ok_or_else(|| QueryError::refused("the id of a message is a whole number"))
}

fn millis(millis: f64) -> Result<Duration, QueryError> {
    Duration::try_from_secs_f64(millis / 1000.0)
        .map_err(|_| QueryError::refused("a time is a number of milliseconds, not negative"))
}
