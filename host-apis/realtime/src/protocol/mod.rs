//! Phoenix channels on the wire, as realtime-js speaks them: version 1.0.0 has JSON objects,
//! version 2.0.0 JSON arrays and binary frames for broadcasts.

pub(crate) mod binary;
pub(crate) mod text;

use std::borrow::Cow;

use serde_json::value::RawValue;

/// The serialisation a socket has chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    First,
    Second,
}

impl Version {
    /// Reads the query parameter `vsn`; without one a client speaks the first.
    pub(crate) fn parse(text: Option<&str>) -> Option<Self> {
        let text = match text {
            None | Some("") => return Some(Self::First),
            Some(text) => text,
        };
        let patch = |prefix: &str| {
            let rest = text.strip_prefix(prefix);
            rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
        };
        if patch("1.0.") {
            Some(Self::First)
        } else if patch("2.0.") {
            Some(Self::Second)
        } else {
            None
        }
    }
}

/// A reference that a client gave to a message or to its join: JSON text, sent back as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference(Box<str>);

impl Reference {
    pub(crate) fn none() -> Self {
        Self("null".into())
    }

    fn raw(value: Option<&RawValue>) -> Self {
        value.map_or_else(Self::none, |value| Self(value.get().into()))
    }

    /// Binary frames have strings, empty for none.
    fn text(text: &str) -> Self {
        if text.is_empty() { Self::none() } else { Self(text::quoted(text).into()) }
    }

    fn as_str(&self) -> &str {
        &self.0
    }
}

/// A message of a client.
#[derive(Debug)]
pub(crate) struct Incoming<'a> {
    pub(crate) join: Reference,
    pub(crate) reference: Reference,
    pub(crate) topic: Cow<'a, str>,
    pub(crate) content: Content<'a>,
}

#[derive(Debug)]
pub(crate) enum Content<'a> {
    Event {
        name: Cow<'a, str>,
        payload: Option<&'a RawValue>,
    },
    /// A broadcast in a binary frame.
    Broadcast {
        event: &'a str,
        payload: binary::Body<'a>,
    },
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn versions_are_read_as_ranges() {
        let cases = [
            (None, Some(Version::First)),
            (Some("1.0.0"), Some(Version::First)),
            (Some("1.0.7"), Some(Version::First)),
            (Some("2.0.0"), Some(Version::Second)),
            (Some("2.1.0"), None),
            (Some("3.0.0"), None),
            (Some("2.0."), None),
            (Some("x"), None),
        ];
        for (text, expected) in cases {
            assert_eq!(Version::parse(text), expected, "{text:?}");
        }
    }
}
