//! Binary frames of version 2.0.0. The first byte is the kind; then come the sizes of the strings,
//! one byte each, the strings, and the payload up to the end of the frame.

use bytes::Bytes;

use super::{Content, Incoming, Reference};
use crate::frame::{Opcode, frame};
use crate::message::{Event, Payload};
use crate::topic::Topic;

/// A broadcast from a client.
const USER_PUSH: u8 = 3;
/// A broadcast to a client.
const USER_BROADCAST: u8 = 4;
const BINARY: u8 = 0;
const JSON: u8 = 1;

/// A payload as it lies in a client's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body<'a> {
    Json(&'a [u8]),
    Binary(&'a [u8]),
}

impl Body<'_> {
    pub(crate) fn to_payload(self) -> Payload {
        match self {
            Self::Json(bytes) => Payload::Json(Bytes::copy_from_slice(bytes)),
            Self::Binary(bytes) => Payload::Binary(Bytes::copy_from_slice(bytes)),
        }
    }
}

/// Reads a client's frame; `None` for what is none, which is dropped.
pub(crate) fn read(bytes: &[u8]) -> Option<Incoming<'_>> {
    let (&[kind, join, reference, topic, event, metadata, encoding], rest) = bytes.split_first_chunk()?;
    if kind != USER_PUSH {
        return None;
    }
    let (join, rest) = string(rest, join)?;
    let (reference, rest) = string(rest, reference)?;
    let (topic, rest) = string(rest, topic)?;
    let (event, rest) = string(rest, event)?;
    // Metadata ask for storing the message, which nothing here does yet.
    let (_metadata, payload) = string(rest, metadata)?;
    let payload = match encoding {
        JSON => Body::Json(payload),
        BINARY => Body::Binary(payload),
        _ => return None,
    };
    Some(Incoming {
        join: Reference::text(join),
        reference: Reference::text(reference),
        topic: topic.into(),
        content: Content::Broadcast { event, payload },
    })
}

fn string(bytes: &[u8], length: u8) -> Option<(&str, &[u8])> {
    let (text, rest) = bytes.split_at_checked(length.into())?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

/// A broadcast for everybody who joined `topic`. Topic and event are within the 255 bytes that the
/// format has for them: nothing longer becomes a [`Topic`] or an [`Event`].
pub(crate) fn broadcast(topic: &Topic, event: &Event) -> Bytes {
    let length = |text: &str| u8::try_from(text.len()).unwrap_or(u8::MAX);
    let metadata = event.metadata.as_deref().unwrap_or_default();
    let (encoding, payload) = match &event.payload {
        Payload::Json(bytes) => (JSON, bytes),
        Payload::Binary(bytes) => (BINARY, bytes),
    };
    let head = [USER_BROADCAST, length(topic.as_str()), length(&event.name), length(metadata), encoding];
    frame(
        Opcode::Binary,
        &[&head, topic.as_str().as_bytes(), event.name.as_bytes(), metadata.as_bytes(), payload],
    )
}

#[cfg(test)]
mod tests {
    use super::{Body, broadcast, read};
    use crate::message::{Event, Payload};
    use crate::protocol::Content;
    use crate::topic::Topic;

    fn push(encoding: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![3, 1, 2, 13, 4, 2, encoding];
        bytes.extend_from_slice(b"712realtime:roomping{}");
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn a_push_is_taken_apart() {
        let bytes = push(1, br#"{"a":1}"#);
        let incoming = read(&bytes).unwrap();
        assert_eq!((incoming.join.as_str(), incoming.reference.as_str()), (r#""7""#, r#""12""#));
        assert_eq!(incoming.topic, "realtime:room");
        let Content::Broadcast { event, payload } = incoming.content else { panic!("a broadcast") };
        assert_eq!((event, payload), ("ping", Body::Json(br#"{"a":1}"#)));
        let bytes = push(0, &[0, 255]);
        let Content::Broadcast { payload, .. } = read(&bytes).unwrap().content else { panic!("a broadcast") };
        assert_eq!(payload, Body::Binary(&[0, 255]));
    }

    #[test]
    fn what_is_no_push_is_dropped() {
        let whole = push(1, b"");
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_none(), "{length}");
        }
        let mut other = whole.clone();
        other[0] = 4;
        assert!(read(&other).is_none());
        assert!(read(&push(2, b"")).is_none());
        let mut no_text = whole;
        no_text[10] = 0xff;
        assert!(read(&no_text).is_none());
    }

    #[test]
    fn a_broadcast_has_sizes_strings_and_payload() {
        let topic = Topic::named("room").unwrap();
        let mut event = Event::new("ping", Payload::Json("1".into())).unwrap();
        assert_eq!(broadcast(&topic, &event)[2..], *b"\x04\x0d\x04\x00\x01realtime:roomping1");
        event.metadata = Some(r#"{"id":"x"}"#.into());
        assert_eq!(broadcast(&topic, &event)[2..], *b"\x04\x0d\x04\x0a\x01realtime:roomping{\"id\":\"x\"}1");
    }
}
