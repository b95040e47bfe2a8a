//! Messages to the sockets that have joined a topic: what supabase-js receives with
//! `channel(…).on("broadcast", …)`.
//!
//! A message reaches who has joined now; nothing is kept for those who come later.
//!
//! ```
//! use isobase_sdk::realtime::{self, Error};
//!
//! fn announce(order: i64) -> Result<(), Error> {
//!     realtime::publish("orders", "paid", &serde_json::json!({ "order": order }))?;
//!     realtime::topic("audit").private().publish("paid", &order)
//! }
//! ```

use std::fmt;

use serde::Serialize;

use crate::bindings::isobase::host::realtime as host;

/// Hands a message to everybody who has joined the public channel `topic`.
pub fn publish(topic: &str, event: &str, payload: &impl Serialize) -> Result<(), Error> {
    self::topic(topic).publish(event, payload)
}

/// A topic to publish to, public unless said otherwise.
pub fn topic(name: impl Into<String>) -> Topic {
    Topic { name: name.into(), visibility: host::Visibility::Public }
}

/// Where messages go.
#[derive(Clone, Debug)]
pub struct Topic {
    name: String,
    visibility: host::Visibility,
}

impl Topic {
    /// The private channel of that name. Needs the realtime grant `service`, unless the caller is
    /// `service_role`.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.visibility = host::Visibility::Private;
        self
    }

    /// Publishes `payload` as JSON.
    pub fn publish(&self, event: &str, payload: &impl Serialize) -> Result<(), Error> {
        let json = serde_json::to_string(payload).map_err(|error| Error::Refused(error.to_string()))?;
        self.send(event, &host::Payload::Json(json))
    }

    /// Publishes bytes. Clients of protocol 1.0.0 cannot be given any and are left out.
    pub fn publish_bytes(&self, event: &str, bytes: &[u8]) -> Result<(), Error> {
        self.send(event, &host::Payload::Bytes(bytes.to_vec()))
    }

    fn send(&self, event: &str, payload: &host::Payload) -> Result<(), Error> {
        Ok(host::publish(&self.name, event, payload, self.visibility)?)
    }
}

/// Why a message was not published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The call itself is wrong, or the function's manifest does not grant it.
    Refused(String),
    /// The payload is longer than a message may be.
    TooLarge,
    /// Too many messages are published per second. Worth a retry.
    TooFast,
    /// This host runs without realtime.
    Unavailable,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => write!(formatter, "the host refused the call: {why}"),
            Self::TooLarge => formatter.write_str("the payload is longer than a message may be"),
            Self::TooFast => formatter.write_str("too many messages are published per second"),
            Self::Unavailable => formatter.write_str("this host runs without realtime"),
        }
    }
}

impl std::error::Error for Error {}

impl From<host::Error> for Error {
    fn from(error: host::Error) -> Self {
        match error {
            host::Error::Refused(why) => Self::Refused(why),
            host::Error::TooLarge => Self::TooLarge,
            host::Error::TooFast => Self::TooFast,
            host::Error::Unavailable => Self::Unavailable,
        }
    }
}
