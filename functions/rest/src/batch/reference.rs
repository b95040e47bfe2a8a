//! What an item takes from the results of items before it.
//!
//! `"with": {"list": "0/body/0/id"}` gives a name to a value: the number of an item, then a JSON pointer
//! (RFC 6901) into its result. In the item's path `${list}` becomes the value's text, encoded; in its body
//! the string `"${list}"` becomes the value. Only names that the item declares mean anything, so that
//! texts of users, wherever a client puts them, stay texts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::utf8_percent_encode;
use serde_json::value::RawValue;

use crate::request::URL_RESERVED;

/// Names in one item. Each is looked up in a result that may be long.
pub(super) const NAMES_MAX: usize = 8;

/// Values by name, as JSON texts.
pub(super) type Values = BTreeMap<String, String>;

/// Looks up what `with` names among `results`, JSON texts of the items so far.
pub(super) fn look_up(with: &BTreeMap<String, String>, results: &[&str]) -> Result<Values, String> {
    with.iter()
        .map(|(name, place)| {
            let value = find(place, results)
                .ok_or_else(|| format!("{place:?}, called {name:?}, is not in the results so far"))?;
            Ok((name.clone(), value))
        })
        .collect()
}

fn find(place: &str, results: &[&str]) -> Option<String> {
    let (number, pointer) = place.split_once('/').unwrap_or((place, ""));
    let mut text = *results.get(number.parse::<usize>().ok()?)?;
    for step in pointer.split('/').filter(|_| !pointer.is_empty()) {
        let step = step.replace("~1", "/").replace("~0", "~");
        let value: &RawValue = match text.as_bytes().first()? {
            b'{' => serde_json::from_str::<BTreeMap<String, &RawValue>>(text).ok()?.remove(&step)?,
            b'[' => {
                let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                elements.get(step.parse::<usize>().ok()?).copied()?
            }
            _ => return None,
        };
        text = value.get();
    }
    Some(text.to_owned())
}

/// A path with the values' texts in it.
pub(super) fn in_path<'p>(path: &'p str, values: &Values) -> Cow<'p, str> {
    let mut path = Cow::Borrowed(path);
    for (name, value) in values {
        let mark = format!("${{{name}}}");
        if path.contains(&mark) {
            let text = serde_json::from_str::<String>(value).unwrap_or_else(|_| value.clone());
            path = Cow::Owned(path.replace(&mark, &utf8_percent_encode(&text, URL_RESERVED).to_string()));
        }
    }
    path
}

/// A JSON text with the values in place of the strings that name them.
pub(super) fn in_body<'b>(body: &'b str, values: &Values) -> Cow<'b, str> {
    let mut body = Cow::Borrowed(body);
    for (name, value) in values {
        let mark = format!("\"${{{name}}}\"");
        if !body.contains(&mark) {
            continue;
        }
        let mut text = String::with_capacity(body.len());
        let mut rest = &*body;
        while let Some(at) = rest.find(&mark) {
            // After a backslash the quote is part of a longer string.
            let inside = rest[..at].ends_with('\\');
            text.push_str(&rest[..at]);
            text.push_str(if inside { &mark } else { value });
            rest = &rest[at + mark.len()..];
        }
        text.push_str(rest);
        body = Cow::Owned(text);
    }
    body
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Values, find, in_body, in_path};

    #[test]
    fn places_are_found() {
        let results =
            [r#"{"status":201,"body":[{"id":90071992547409931,"a/b":{"~":"x"}}]}"#, r#"{"body":null}"#];
        for (place, value) in [
            ("0/status", Some("201")),
            ("0/body/0/id", Some("90071992547409931")),
            ("0/body/0/a~1b/~0", Some(r#""x""#)),
            ("1/body", Some("null")),
            ("1", Some(r#"{"body":null}"#)),
            ("1/body/0", None),
            ("2/body", None),
            ("0/body/1", None),
            ("0/body/-1", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(find(place, &results).as_deref(), value, "{place}");
        }
    }

    #[test]
    fn only_declared_names_are_replaced() {
        let values: Values =
            BTreeMap::from([("id".into(), "7".into()), ("name".into(), r#""a&b \"c\"""#.into())]);
        let path = "/x?id=eq.${id}&name=eq.${name}&other=eq.${other}";
        assert_eq!(in_path(path, &values), "/x?id=eq.7&name=eq.a%26b%20%22c%22&other=eq.${other}");
        let body = r#"{"id":"${id}","text":"is ${id}","quoted":"a \"${id}\" or \"${id}","name":"${name}","o":"${other}"}"#;
        let expected = r#"{"id":7,"text":"is ${id}","quoted":"a \"${id}\" or \"${id}","name":"a&b \"c\"","o":"${other}"}"#;
        assert_eq!(in_body(body, &values), expected);
    }
}
