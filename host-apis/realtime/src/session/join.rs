//! What a client asks for when it joins. Read leniently: clients send more than they mean, and what
//! is badly typed counts as not said.

use serde_json::Value;
use serde_json::value::RawValue;

/// The payload of a `phx_join`, as far as it means something here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct JoinRequest {
    /// The token to act by instead of the one the socket was opened with.
    pub(super) token: Option<String>,
    /// Whether the sender wants its own broadcasts back.
    pub(super) wants_own: bool,
    /// Whether each broadcast is to be acknowledged.
    pub(super) wants_acknowledgement: bool,
    pub(super) is_private: bool,
    /// Something that this version does not do; the name of it.
    pub(super) unsupported: Option<Unsupported>,
    /// Whether the client wants to be told that messages of `realtime.send` arrive.
    pub(super) wants_readiness: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsupported {
    /// Joins without `config`: the topic names a table.
    TopicsOfTables,
    PostgresChanges,
    Presence,
    Replay,
}

impl Unsupported {
    /// The sentence a client reads.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::TopicsOfTables => {
                "FeatureNotAvailable: a join without config subscribes to database changes, which this version of \
                 isobase does not have yet; send config for a broadcast channel"
            }
            Self::PostgresChanges => {
                "FeatureNotAvailable: this version of isobase does not have postgres_changes yet"
            }
            Self::Presence => "FeatureNotAvailable: this version of isobase does not have presence yet",
            Self::Replay => "FeatureNotAvailable: this version of isobase does not have broadcast replay yet",
        }
    }
}

/// Longest payload of a join, in bytes: a configuration and a token.
const JOIN_BYTES_MAX: usize = 256 * 1024;

impl JoinRequest {
    pub(super) fn read(payload: Option<&RawValue>) -> Self {
        let payload = payload.map(RawValue::get).filter(|text| text.len() <= JOIN_BYTES_MAX);
        let payload: Value = payload.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let config = &payload["config"];
        let broadcast = &config["broadcast"];
        let token = ["user_token", "access_token"].into_iter().find_map(|name| payload[name].as_str());
        Self {
            token: token.map(str::to_owned),
            wants_own: flag(&broadcast["self"]),
            wants_acknowledgement: flag(&broadcast["ack"]),
            is_private: flag(&config["private"]),
            unsupported: unsupported(config),
            wants_readiness: flag(&broadcast["replication_ready"]),
        }
    }
}

fn unsupported(config: &Value) -> Option<Unsupported> {
    let has_changes = config["postgres_changes"]
        .as_array()
        .is_some_and(|bindings| bindings.iter().any(|binding| !binding.is_null()));
    if !config.is_object() {
        Some(Unsupported::TopicsOfTables)
    } else if has_changes {
        Some(Unsupported::PostgresChanges)
    } else if flag(&config["presence"]["enabled"]) {
        Some(Unsupported::Presence)
    } else if config["broadcast"]["replay"].is_object() {
        Some(Unsupported::Replay)
    } else {
        None
    }
}

/// Flags may be words, in any case.
fn flag(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => *flag,
        Value::String(word) => word.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{JoinRequest, Unsupported};
    use serde_json::value::RawValue;

    fn read(text: &str) -> JoinRequest {
        JoinRequest::read(Some(&RawValue::from_string(text.into()).unwrap()))
    }

    #[test]
    fn what_realtime_js_sends_is_a_broadcast_channel() {
        let request = read(
            r#"{"config":{"broadcast":{"ack":false,"self":true},"presence":{"key":"","enabled":false},
                "postgres_changes":[],"private":false},"access_token":"t"}"#,
        );
        let expected = JoinRequest { token: Some("t".into()), wants_own: true, ..Default::default() };
        assert_eq!(request, expected);
    }

    #[test]
    fn words_nulls_and_nonsense_are_forgiven() {
        let request = read(
            r#"{"config":{"broadcast":{"ack":"TRUE","self":5},"presence":7,"postgres_changes":[null],"private":"False"},
                "user_token":"u","access_token":"a"}"#,
        );
        let expected =
            JoinRequest { token: Some("u".into()), wants_acknowledgement: true, ..Default::default() };
        assert_eq!(request, expected);
        assert_eq!(read(r#"{"config":{"postgres_changes":null}}"#), JoinRequest::default());
    }

    #[test]
    fn what_is_not_here_is_noticed() {
        let cases = [
            ("{}", Unsupported::TopicsOfTables),
            (r#"{"config":{"postgres_changes":[{"event":"*"}]}}"#, Unsupported::PostgresChanges),
            (r#"{"config":{"presence":{"enabled":"true"}}}"#, Unsupported::Presence),
            (r#"{"config":{"broadcast":{"replay":{"since":1}}}}"#, Unsupported::Replay),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text).unsupported, Some(expected), "{text}");
        }
        assert_eq!(JoinRequest::read(None).unsupported, Some(Unsupported::TopicsOfTables));
    }
}
