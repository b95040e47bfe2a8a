//! `If-Match` and `If-None-Match` (RFC 9110 §13.1).

use super::intent::Incoming;

/// What a request says about the version it knows. PostgREST has no versions and ignores it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Conditions<'r> {
    pub(crate) matches: Option<Tags<'r>>,
    pub(crate) matches_none: Option<Tags<'r>>,
}

/// Entity tags, or `*` for whatever there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tags<'r> {
    Any,
    /// Without quotes and `W/`.
    These(Vec<&'r str>),
}

impl<'r> Conditions<'r> {
    pub(crate) fn parse(incoming: &Incoming<'r>) -> Self {
        let tags = |name| {
            let values = incoming.header_values(name).collect::<Vec<_>>();
            (!values.is_empty()).then(|| Tags::parse(&values))
        };
        Self { matches: tags("if-match"), matches_none: tags("if-none-match") }
    }

    pub(crate) fn are_given(&self) -> bool {
        self.matches.is_some() || self.matches_none.is_some()
    }
}

impl<'r> Tags<'r> {
    fn parse(values: &[&'r str]) -> Self {
        let tags = values.iter().flat_map(|value| value.split(',')).map(str::trim);
        if tags.clone().any(|tag| tag == "*") {
            return Self::Any;
        }
        let opaque = |tag: &'r str| tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
        Self::These(tags.filter(|tag| !tag.is_empty()).map(opaque).collect())
    }

    /// Whether one of them is `tag`.
    pub(crate) fn hold(&self, tag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => tags.contains(&tag),
        }
    }

    /// What the tags say of the rows alone, whatever was shown of them.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &'r str> {
        let tags = match self {
            Self::Any => &[],
            Self::These(tags) => tags.as_slice(),
        };
        tags.iter().map(|tag| tag.split('.').next().unwrap_or(tag))
    }
}
