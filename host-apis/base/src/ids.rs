//! Identifiers as distinct types, so that one cannot be passed for another.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::random;

/// A function's name in URLs, folders and logs: `^[A-Za-z][A-Za-z0-9_-]*$`, at most 48 bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionSlug(Arc<str>);

/// Longest accepted slug, in bytes. Longer names break the limit on label sizes in metrics.
const SLUG_BYTES_MAX: usize = 48;

/// A slug that does not match the pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "function name {0:?} is not valid: start with a letter, then letters, digits, '_' or '-', at most 48 characters"
)]
pub struct InvalidSlug(String);

impl FunctionSlug {
    /// Checks `slug` against the pattern. Supabase's management API uses the same one.
    pub fn parse(slug: &str) -> Result<Self, InvalidSlug> {
        let mut bytes = slug.bytes();
        let starts_well = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic());
        let goes_on_well = bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if starts_well && goes_on_well && slug.len() <= SLUG_BYTES_MAX {
            Ok(Self(slug.into()))
        } else {
            Err(InvalidSlug(slug.chars().take(64).collect()))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for FunctionSlug {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for FunctionSlug {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let slug = String::deserialize(deserializer)?;
        Self::parse(&slug).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for FunctionSlug {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for FunctionSlug {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "FunctionSlug({})", self.0)
    }
}

/// One request, from the socket to the SQL statement: a UUID version 7, made by the gateway and
/// never taken from a client.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(uuid::Uuid);

impl RequestId {
    pub fn generate() -> Self {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random::bytes()).into_uuid())
    }
}

/// One that another process of this host has made.
impl From<uuid::Uuid> for RequestId {
    fn from(id: uuid::Uuid) -> Self {
        Self(id)
    }
}

impl From<RequestId> for uuid::Uuid {
    fn from(id: RequestId) -> Self {
        id.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RequestId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::FunctionSlug;

    #[test]
    fn slugs_follow_the_pattern() {
        for good in ["a", "hello", "hello-world", "Stripe_webhook2"] {
            assert!(FunctionSlug::parse(good).is_ok(), "{good}");
        }
        let long = "a".repeat(49);
        for bad in ["", "2fast", "-x", "_shared", "a/b", "a.b", "é", "a b", long.as_str()] {
            assert!(FunctionSlug::parse(bad).is_err(), "{bad}");
        }
    }
}
