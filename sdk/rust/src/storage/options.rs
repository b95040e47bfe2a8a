//! How objects are stored and listed.

use super::host;
use crate::bindings::isobase::host::database::Identity;

pub use host::SortColumn;

/// How an object is stored, or copied: what is not said is the default, or the source's.
#[derive(Clone, Debug, Default)]
pub struct PutOptions {
    /// Whether an object of the same name is replaced.
    pub upsert: bool,
    /// `application/octet-stream` where it is not said.
    pub content_type: Option<String>,
    /// `no-cache` where it is not said.
    pub cache_control: Option<String>,
    /// A JSON object.
    pub user_metadata: Option<String>,
}

/// Which part of a bucket is listed, and how.
#[derive(Clone, Debug)]
pub struct ListOptions {
    /// How names begin; for what is in a folder it ends in a slash.
    pub prefix: String,
    /// Whether all names with the prefix are told; otherwise folders instead of what is in them.
    pub recursive: bool,
    /// Entries of this page, 1 to 1,000.
    pub limit: u32,
    /// Entries left out at the beginning.
    pub offset: u32,
    /// Of the page before; by name upwards only.
    pub cursor: Option<String>,
    pub sort: SortColumn,
    pub descending: bool,
}

impl Default for ListOptions {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            recursive: false,
            limit: 100,
            offset: 0,
            cursor: None,
            sort: SortColumn::Name,
            descending: false,
        }
    }
}

impl PutOptions {
    pub(super) fn into_host(self, identity: Identity) -> host::PutOptions {
        let Self { upsert, content_type, cache_control, user_metadata } = self;
        host::PutOptions { identity, upsert, content_type, cache_control, user_metadata }
    }
}

impl ListOptions {
    pub(super) fn into_host(self, identity: Identity) -> host::ListOptions {
        let Self { prefix, recursive, limit, offset, cursor, sort, descending } = self;
        host::ListOptions { identity, prefix, recursive, limit, offset, cursor, sort, descending }
    }
}
