//! Media types that the database makes itself: domains that are named like one.
//!
//! A function that returns such a domain answers in that type; an aggregate that returns one makes a
//! body of rows, of one relation or of any.

use std::borrow::Cow;

use crate::request::Media;

use super::TypeName;

/// A domain that is named like a media type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaDomain {
    /// What a request must accept.
    pub(crate) accepts: Media<'static>,
    /// What the answer is called, unless SQL code says otherwise.
    pub(crate) produces: Media<'static>,
}

/// An aggregate from rows to a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handler {
    pub(crate) media: MediaDomain,
    /// Schema and name, quoted.
    pub(crate) aggregate: Box<str>,
    /// The row type it takes; any when there is none.
    pub(crate) row: Option<TypeName>,
}

impl MediaDomain {
    /// `*/*` takes every request, and what it makes are bytes.
    pub(super) fn named(name: &str) -> Self {
        let accepts = Media::parse(Cow::Owned(name.to_ascii_lowercase()));
        let produces = match accepts {
            Media::Any => Media::OctetStream,
            _ => Media::parse(Cow::Owned(name.to_owned())),
        };
        Self { accepts, produces }
    }
}
