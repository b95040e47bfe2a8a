//! Text frames. What the host does not read stays the text it was: payloads and references are
//! passed on without being parsed into values.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Content, Incoming, Reference, Version};
use crate::frame::{Opcode, frame};
use crate::topic::Topic;

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "ref")]
    reference: Option<&'a RawValue>,
    #[serde(borrow, default)]
    join_ref: Option<&'a RawValue>,
}

/// Join reference, reference, topic, event, payload.
#[derive(Deserialize)]
struct Array<'a>(
    #[serde(borrow)] Option<&'a RawValue>,
    #[serde(borrow)] Option<&'a RawValue>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Option<&'a RawValue>,
);

/// Reads a client's message; `None` for what is none, which is dropped.
pub(crate) fn read(version: Version, bytes: &[u8]) -> Option<Incoming<'_>> {
    let (join, reference, topic, name, payload) = match version {
        // An array would be read as the object's fields in order.
        Version::First if !bytes.trim_ascii_start().starts_with(b"{") => return None,
        Version::First => {
            let Object { topic, event, payload, reference, join_ref } = serde_json::from_slice(bytes).ok()?;
            (join_ref, reference, topic, event, payload)
        }
        Version::Second => {
            let Array(join, reference, topic, event, payload) = serde_json::from_slice(bytes).ok()?;
            (join, reference, topic, event, payload)
        }
    };
    Some(Incoming {
        join: Reference::raw(join),
        reference: Reference::raw(reference),
        topic,
        content: Content::Event { name, payload },
    })
}

/// A message for a client. `payload` is JSON text.
pub(crate) fn message(
    version: Version,
    join: &Reference,
    reference: &Reference,
    topic: &str,
    event: &str,
    payload: &str,
) -> Bytes {
    let (topic, event) = (quoted(topic), quoted(event));
    let (join, reference) = (join.as_str(), reference.as_str());
    let text = match version {
        Version::First => [
            r#"{"topic":"#,
            &topic,
            r#","event":"#,
            &event,
            r#","payload":"#,
            payload,
            r#","ref":"#,
            reference,
            "}",
        ]
        .concat(),
        Version::Second => ["[", join, ",", reference, ",", &topic, ",", &event, ",", payload, "]"].concat(),
    };
    frame(Opcode::Text, &[text.as_bytes()])
}

pub(crate) fn broadcast(version: Version, topic: &Topic, payload: &str) -> Bytes {
    let none = Reference::none();
    message(version, &none, &none, topic.as_str(), "broadcast", payload)
}

/// The object that a `broadcast` carries.
pub(crate) fn payload_of(event: &str, payload: &str, metadata: Option<&str>) -> String {
    let event = quoted(event);
    let begin = [r#"{"type":"broadcast","event":"#, &event, r#","payload":"#, payload].concat();
    match metadata {
        Some(metadata) => [&begin, r#","meta":"#, metadata, "}"].concat(),
        None => begin + "}",
    }
}

/// `text` as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::{message, payload_of, read};
    use crate::protocol::{Content, Reference, Version};
    use expect_test::expect;

    fn told(version: Version, text: &str) -> String {
        let Some(incoming) = read(version, text.as_bytes()) else { return "dropped".into() };
        let Content::Event { name, payload } = incoming.content else { return "binary".into() };
        format!(
            "{} {} {} {name} {}",
            incoming.join.as_str(),
            incoming.reference.as_str(),
            incoming.topic,
            payload.map_or("-", |payload| payload.get())
        )
    }

    #[test]
    fn both_versions_are_read() {
        let first = |text| told(Version::First, text);
        let second = |text| told(Version::Second, text);
        let lines = [
            first(r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}"#),
            first(r#"{"topic":"t","event":"e","payload":{"a":[1]},"ref":0,"join_ref":"9","more":1}"#),
            first(r#"{"topic":"t","event":"e"}"#),
            first(r#"["1","2","t","e",{}]"#),
            second(r#"["1","2","t","e",{"a":1}]"#),
            second(r#"[null,0,"t\n","e",null]"#),
            second(r#"["1","2","t"]"#),
            second(r#"["1","2","t",5,{}]"#),
            second("{}"),
            second(""),
        ];
        expect![[r#"
            null "1" phoenix heartbeat {}
            "9" 0 t e {"a":[1]}
            null null t e -
            dropped
            "1" "2" t e {"a":1}
            null 0 t
             e -
            dropped
            dropped
            dropped
            dropped"#]]
        .assert_eq(&lines.join("\n"));
    }

    #[test]
    fn both_versions_are_written() {
        let (join, reference) = (Reference::text("4"), Reference::text("5"));
        let text = |version| {
            let bytes = message(version, &join, &reference, "realtime:\"x\"", "phx_reply", "{}");
            String::from_utf8_lossy(&bytes[2..]).into_owned()
        };
        expect![[r#"{"topic":"realtime:\"x\"","event":"phx_reply","payload":{},"ref":"5"}"#]]
            .assert_eq(&text(Version::First));
        expect![[r#"["4","5","realtime:\"x\"","phx_reply",{}]"#]].assert_eq(&text(Version::Second));
        expect![[r#"{"type":"broadcast","event":"e","payload":1,"meta":{"id":"x"}}"#]]
            .assert_eq(&payload_of("e", "1", Some(r#"{"id":"x"}"#)));
    }
}
