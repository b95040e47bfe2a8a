//! Messages in queues, as the caller of the request; and the messages that the host delivers.
//!
//! ```
//! use isobase_sdk::queue;
//! use serde_json::json;
//!
//! fn welcome(address: &str) -> Result<i64, queue::Error> {
//!     queue::send("mails", &json!({ "to": address, "subject": "Hello" }))
//! }
//! ```
//!
//! A function that `[queues.<name>]` in config.toml names is called with a [`Batch`].

mod delivery;
mod session;

pub use crate::database::Error;
pub use delivery::{Batch, Delivered};
pub use session::{Message, Metrics, Outgoing, Session};

use std::time::Duration;

use serde::Serialize;

/// Sends one message and returns its id once it is committed.
pub fn send(queue: &str, message: &impl Serialize) -> Result<i64, Error> {
    Session::caller().send(queue, Outgoing::json(message)?)
}

/// Sends several messages, all or none; their ids in order.
pub fn send_batch(queue: &str, messages: impl IntoIterator<Item = Outgoing>) -> Result<Vec<i64>, Error> {
    Session::caller().send_batch(queue, messages)
}

/// Up to `quantity` visible messages, oldest first; nobody else reads them for `visibility`.
pub fn read(queue: &str, visibility: Duration, quantity: u32) -> Result<Vec<Message>, Error> {
    Session::caller().read(queue, visibility, quantity)
}

/// Deletes messages that are done with; the ids that were there.
pub fn ack(queue: &str, ids: &[i64]) -> Result<Vec<i64>, Error> {
    Session::caller().ack(queue, ids)
}

/// Moves messages to the queue's archive; the ids that were there.
pub fn archive(queue: &str, ids: &[i64]) -> Result<Vec<i64>, Error> {
    Session::caller().archive(queue, ids)
}

/// Hides messages for `visibility` from now; zero shows them again.
pub fn extend(queue: &str, ids: &[i64], visibility: Duration) -> Result<Vec<i64>, Error> {
    Session::caller().extend(queue, ids, visibility)
}

/// Counts what the queue holds.
pub fn metrics(queue: &str) -> Result<Metrics, Error> {
    Session::caller().metrics(queue)
}
