//! What messages are about.

use std::sync::Arc;

use isobase_base::limits;

/// Whether a topic is open to everybody or guarded by policies. The two are name spaces of their
/// own: what is published on the one never reaches members of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Visibility {
    Public,
    Private,
}

/// The prefix under which clients know topics.
const PREFIX: &str = "realtime:";

/// A topic as clients write it, `realtime:<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Topic(Arc<str>);

/// Why a text is no topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoTopic {
    /// It does not begin with the prefix: some other protocol's.
    Foreign,
    Nameless,
    TooLong,
}

impl Topic {
    /// Reads a topic with its prefix.
    pub(crate) fn parse(text: &str) -> Result<Self, NoTopic> {
        let name = text.strip_prefix(PREFIX).ok_or(NoTopic::Foreign)?;
        check(name).map(|()| Self(text.into()))
    }

    /// The topic called `name`, without the prefix.
    pub(crate) fn named(name: &str) -> Result<Self, NoTopic> {
        check(name).map(|()| Self([PREFIX, name].concat().into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn name(&self) -> &str {
        &self.0[PREFIX.len()..]
    }
}

fn check(name: &str) -> Result<(), NoTopic> {
    if name.is_empty() {
        Err(NoTopic::Nameless)
    } else if PREFIX.len() + name.len() > limits::REALTIME_NAME_BYTES_MAX {
        Err(NoTopic::TooLong)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{NoTopic, Topic};

    #[test]
    fn topics_have_a_prefix_and_a_name() {
        assert_eq!(Topic::parse("realtime:room:1").map(|topic| topic.name().to_owned()), Ok("room:1".into()));
        assert_eq!(Topic::parse("realtime:"), Err(NoTopic::Nameless));
        assert_eq!(Topic::parse("room"), Err(NoTopic::Foreign));
        assert_eq!(Topic::parse(&format!("realtime:{}", "x".repeat(247))), Err(NoTopic::TooLong));
        assert_eq!(Topic::named("room"), Topic::parse("realtime:room"));
    }
}
