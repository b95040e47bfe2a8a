//! JSON as strict as a token deserves: two readers of one token must never see two meanings.
//!
//! Beyond what `serde_json` refuses (trailing bytes, invalid UTF-8, lone surrogates, numbers out of
//! range) this refuses members given twice (RFC 8725 §2.4), deep nesting, and NUL in strings, which
//! Postgres' `jsonb` cannot hold.

use std::fmt;

use isobase_base::limits;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Reads exactly one JSON object.
pub(super) fn object(text: &[u8]) -> Option<Map<String, Value>> {
    let mut source = serde_json::Deserializer::from_slice(text);
    let value = Strict { depth_left: limits::TOKEN_JSON_DEPTH_MAX }.deserialize(&mut source).ok()?;
    source.end().ok()?;
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// Reads one value with at most this much nesting below it.
#[derive(Clone, Copy)]
struct Strict {
    depth_left: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Self { depth_left }),
            None => Err(E::custom("nested too deeply")),
        }
    }
}

fn without_nul<E: Error>(text: String) -> Result<String, E> {
    if text.contains('\0') { Err(E::custom("NUL in a string")) } else { Ok(text) }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        without_nul(value.to_owned()).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut source: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = source.next_key::<String>()? {
            let name = without_nul(name)?;
            let value = source.next_value_seed(inner)?;
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is given twice"));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::object;

    #[test]
    fn one_plain_object_is_read() {
        let members = object(br#" {"a":[1,-2,1.5,null,true,{"b":"c"}]} "#).unwrap();
        assert_eq!(serde_json::to_string(&members).unwrap(), r#"{"a":[1,-2,1.5,null,true,{"b":"c"}]}"#);
    }

    #[test]
    fn everything_ambiguous_is_refused() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        let cases: [&[u8]; 17] = [
            b"",
            b"null",
            b"[]",
            b"\"a\"",
            b"{} {}",
            b"{}x",
            b"{} \0",
            b"\xef\xbb\xbf{}",
            b"{\"a\":\"\xff\"}",
            b"{\"a\":1,\"a\":1}",
            b"{\"o\":{\"a\":1,\"a\":2}}",
            b"{\"a\":1,\"\\u0061\":2}",
            b"{\"a\":\"\\u0000\"}",
            b"{\"a\":\"\\ud800\"}",
            b"{\"a\":1e400}",
            b"{'a':1}",
            deep.as_bytes(),
        ];
        for case in cases {
            assert_eq!(object(case), None, "{}", String::from_utf8_lossy(&case[..case.len().min(40)]));
        }
    }
}
