//! What a request's body says before Postgres sees it: the keys of its objects.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::csv;
use super::media::Media;
use super::query::form_pairs;

/// A body ready to be bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payload<'b> {
    /// JSON with known keys, sorted.
    Json { text: Cow<'b, str>, keys: BTreeSet<Cow<'b, str>>, is_object: bool },
    /// The client named the columns: the body goes to Postgres unread.
    Unread,
    /// Form fields, for a function's arguments.
    Form(Vec<(Cow<'b, str>, Cow<'b, str>)>),
    /// The argument of a function with a single unnamed parameter.
    Single(&'b [u8]),
}

/// Why a body cannot be used: PGRST102.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidBody(pub(crate) String);

impl InvalidBody {
    fn new(message: &str) -> Self {
        Self(message.to_owned())
    }
}

/// Reads a body for a write to a relation, or for a call when `is_call`.
pub(crate) fn read<'b>(
    bytes: &'b [u8],
    media: &Media<'_>,
    is_call: bool,
) -> Result<Payload<'b>, InvalidBody> {
    match (media, is_call) {
        (Media::Json, true) if bytes.is_empty() => {
            Ok(Payload::Json { text: "{}".into(), keys: BTreeSet::new(), is_object: true })
        }
        (Media::Json, _) => json(bytes),
        (Media::Lines, false) => lines(bytes),
        (Media::Csv, _) => {
            let (text, keys) = csv::to_json(utf8(bytes, "Invalid CSV: not UTF-8")?)
                .map_err(|fault| InvalidBody::new(fault.message()))?;
            Ok(Payload::Json { text: text.into(), keys, is_object: false })
        }
        (Media::Form, true) => Ok(Payload::Form(form_pairs(utf8(bytes, "Invalid form: not UTF-8")?))),
        (Media::Form, false) => {
            let pairs = form_pairs(utf8(bytes, "Invalid form: not UTF-8")?);
            Ok(form_object(pairs))
        }
        (Media::PlainText | Media::Xml | Media::OctetStream, true) => Ok(Payload::Single(bytes)),
        (media, _) => Err(InvalidBody(format!("Content-Type not acceptable: {}", media.name()))),
    }
}

fn utf8<'b>(bytes: &'b [u8], otherwise: &str) -> Result<&'b str, InvalidBody> {
    std::str::from_utf8(bytes).map_err(|_| InvalidBody::new(otherwise))
}

fn json(bytes: &[u8]) -> Result<Payload<'_>, InvalidBody> {
    const INVALID: &str = "Empty or invalid json";
    let text = utf8(bytes, INVALID)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let shape = Root.deserialize(&mut deserializer).map_err(|_| InvalidBody::new(INVALID))?;
    deserializer.end().map_err(|_| InvalidBody::new(INVALID))?;
    match shape {
        Shape::Object(keys) => Ok(Payload::Json { text: text.into(), keys, is_object: true }),
        Shape::Objects(keys) => Ok(Payload::Json { text: text.into(), keys, is_object: false }),
        Shape::Scalar => Ok(Payload::Json { text: "[]".into(), keys: BTreeSet::new(), is_object: false }),
        Shape::Uneven => Err(InvalidBody::new("All object keys must match")),
    }
}

/// Lines of JSON are the elements of an array.
fn lines(bytes: &[u8]) -> Result<Payload<'_>, InvalidBody> {
    let text = utf8(bytes, "Invalid NDJSON: not UTF-8")?;
    let rows = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    let array = format!("[{}]", rows.join(","));
    match json(array.as_bytes())? {
        Payload::Json { keys, is_object, .. } => {
            let keys = keys.into_iter().map(|key| Cow::Owned(key.into_owned())).collect();
            Ok(Payload::Json { text: Cow::Owned(array), keys, is_object })
        }
        Payload::Unread | Payload::Form(_) | Payload::Single(_) => {
            Err(InvalidBody::new("Empty or invalid json"))
        }
    }
}

fn form_object<'b>(pairs: Vec<(Cow<'b, str>, Cow<'b, str>)>) -> Payload<'b> {
    let mut object = serde_json::Map::new();
    for (key, value) in &pairs {
        object.insert(key.to_string(), value.to_string().into());
    }
    let text = serde_json::Value::Object(object).to_string();
    Payload::Json {
        text: text.into(),
        keys: pairs.into_iter().map(|(key, _)| key).collect(),
        is_object: true,
    }
}

/// What a JSON text is made of, as far as a write needs to know.
enum Shape<'b> {
    Object(BTreeSet<Cow<'b, str>>),
    /// An array of objects that all have these keys.
    Objects(BTreeSet<Cow<'b, str>>),
    /// An array of objects with different keys, or of other things.
    Uneven,
    Scalar,
}

/// Reads keys only: values are checked and skipped without being built.
struct Root;
struct Keys;

impl<'b> DeserializeSeed<'b> for Root {
    type Value = Shape<'b>;

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'b> Visitor<'b> for Root {
    type Value = Shape<'b>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'b>>(self, map: A) -> Result<Self::Value, A::Error> {
        keys_of(map).map(Shape::Object)
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let Some(first) = elements.next_element_seed(Keys)? else {
            return Ok(Shape::Objects(BTreeSet::new()));
        };
        let mut even = first.is_some();
        while let Some(next) = elements.next_element_seed(Keys)? {
            even &= next == first;
        }
        Ok(first.filter(|_| even).map_or(Shape::Uneven, Shape::Objects))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Shape::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Shape::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Shape::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Shape::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Shape::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Shape::Scalar)
    }
}

/// The keys of an object; nothing for what is no object.
impl<'b> DeserializeSeed<'b> for Keys {
    type Value = Option<BTreeSet<Cow<'b, str>>>;

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        Ok(match Root.deserialize(deserializer)? {
            Shape::Object(keys) => Some(keys),
            Shape::Objects(_) | Shape::Uneven | Shape::Scalar => None,
        })
    }
}

fn keys_of<'b, A: MapAccess<'b>>(mut map: A) -> Result<BTreeSet<Cow<'b, str>>, A::Error> {
    let mut keys = BTreeSet::new();
    while let Some(key) = map.next_key_seed(Key)? {
        keys.insert(key);
        map.next_value::<IgnoredAny>()?;
    }
    Ok(keys)
}

/// A key, borrowed from the text where it holds no escapes.
struct Key;

impl<'b> DeserializeSeed<'b> for Key {
    type Value = Cow<'b, str>;

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'b> Visitor<'b> for Key {
    type Value = Cow<'b, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'b str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}
