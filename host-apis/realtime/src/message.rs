//! A broadcast: written once for each version of the protocol that has a member, then shared.

use bytes::Bytes;
use isobase_base::limits;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::protocol::{Version, binary, text};
use crate::topic::Topic;

/// What a broadcast carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// JSON text.
    Json(Bytes),
    /// Bytes, which only sockets of protocol 2.0.0 can be given.
    Binary(Bytes),
}

impl Payload {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Json(bytes) | Self::Binary(bytes) => bytes.len(),
        }
    }

    /// A client parses what it gets and stumbles over what is no JSON, so nobody may send that.
    pub(crate) fn is_well_formed(&self) -> bool {
        match self {
            Self::Json(text) => serde_json::from_slice::<IgnoredAny>(text).is_ok(),
            Self::Binary(_) => true,
        }
    }
}

/// A message on its way. How it came in decides in which of the two forms it goes out.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// A named event with an opaque payload: binary frames of version 2.0.0.
    Event(Event),
    /// The JSON object of a `broadcast` as a client wrote it: text frames.
    Text(Box<RawValue>),
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) payload: Payload,
    /// What the host says of the message, a JSON object: `{"id":"…"}`.
    pub(crate) metadata: Option<String>,
}

/// Why a message cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsendable {
    TooLarge,
    /// The name is empty or longer than 255 bytes.
    Name,
    /// The payload says that it is JSON and is not.
    Malformed,
}

impl Event {
    /// Checks what every way in must.
    pub(crate) fn new(name: &str, payload: Payload) -> Result<Self, Unsendable> {
        if name.is_empty() || name.len() > limits::REALTIME_NAME_BYTES_MAX {
            return Err(Unsendable::Name);
        }
        if payload.len() > limits::REALTIME_PAYLOAD_BYTES_MAX {
            return Err(Unsendable::TooLarge);
        }
        if !payload.is_well_formed() {
            return Err(Unsendable::Malformed);
        }
        Ok(Self { name: name.to_owned(), payload, metadata: None })
    }
}

/// The frames of one message, made when the first socket of a version needs them.
pub(crate) struct Frames<'a> {
    topic: &'a Topic,
    message: &'a Message,
    first: Option<Option<Bytes>>,
    second: Option<Option<Bytes>>,
}

impl<'a> Frames<'a> {
    pub(crate) fn new(topic: &'a Topic, message: &'a Message) -> Self {
        Self { topic, message, first: None, second: None }
    }

    /// `None` where the version has no form for the message.
    pub(crate) fn of(&mut self, version: Version) -> Option<Bytes> {
        let (topic, message) = (self.topic, self.message);
        let kept = match version {
            Version::First => &mut self.first,
            Version::Second => &mut self.second,
        };
        kept.get_or_insert_with(|| write(topic, message, version)).clone()
    }
}

fn write(topic: &Topic, message: &Message, version: Version) -> Option<Bytes> {
    match (message, version) {
        (Message::Text(payload), _) => Some(text::broadcast(version, topic, payload.get())),
        (Message::Event(event), Version::Second) => Some(binary::broadcast(topic, event)),
        (Message::Event(Event { name, payload: Payload::Json(json), metadata }), Version::First) => {
            let payload = text::payload_of(name, std::str::from_utf8(json).ok()?, metadata.as_deref());
            Some(text::broadcast(version, topic, &payload))
        }
        (Message::Event(Event { payload: Payload::Binary(_), .. }), Version::First) => None,
    }
}
