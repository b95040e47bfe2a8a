//! How values of a domain look to clients: functions behind implicit casts.

use std::collections::HashMap;

use serde::Deserialize;

use super::{TypeName, columns::qualified};

/// Functions by schema and name, quoted, that stand between a domain and the outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Representation {
    pub(crate) to_json: Option<Box<str>>,
    pub(crate) from_json: Option<Box<str>>,
    pub(crate) from_text: Option<Box<str>>,
}

/// The domain's schema and name, which of the three, the function's schema and name.
#[derive(Debug, Deserialize)]
pub(super) struct Cast(Box<str>, Box<str>, Direction, Box<str>, Box<str>);

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Direction {
    ToJson,
    FromJson,
    FromText,
}

/// All representations by the domain's name.
pub(super) fn gather(casts: Vec<Cast>) -> HashMap<Box<str>, Representation> {
    let mut known: HashMap<Box<str>, Representation> = HashMap::new();
    for Cast(schema, domain, direction, function_schema, function) in casts {
        let TypeName(domain) = qualified(&schema, &domain);
        let TypeName(function) = qualified(&function_schema, &function);
        let representation = known.entry(domain).or_default();
        let slot = match direction {
            Direction::ToJson => &mut representation.to_json,
            Direction::FromJson => &mut representation.from_json,
            Direction::FromText => &mut representation.from_text,
        };
        *slot = Some(function);
    }
    known
}
