//! Between the words of scripts and those of the host API, which mirror each other.

use isobase_database::Identity;
use isobase_storage as host;
use isobase_storage::{Code, Error};
use serde::{Deserialize, Serialize};

pub(super) fn identity(name: &str) -> Result<Identity, Error> {
    match name {
        "caller" => Ok(Identity::Caller),
        "service" => Ok(Identity::Service),
        other => {
            let why = format!("identity is \"caller\" or \"service\", not {other:?}");
            Err(Error::new(Code::InvalidRequest, why))
        }
    }
}

/// All of these are made by `js/storage.js`, which gives every field.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutOptions {
    identity: String,
    upsert: bool,
    content_type: Option<String>,
    cache_control: Option<String>,
    user_metadata: Option<String>,
}

impl PutOptions {
    pub(super) fn into_host(self) -> Result<host::PutOptions, Error> {
        Ok(host::PutOptions {
            identity: identity(&self.identity)?,
            upsert: self.upsert,
            content_type: self.content_type,
            cache_control: self.cache_control,
            user_metadata: self.user_metadata,
        })
    }

    pub(super) fn into_copy(self) -> Result<host::CopyOptions, Error> {
        Ok(host::CopyOptions {
            identity: identity(&self.identity)?,
            upsert: self.upsert,
            content_type: self.content_type,
            cache_control: self.cache_control,
            user_metadata: self.user_metadata,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct Range {
    first: Option<u64>,
    last: Option<u64>,
}

impl Range {
    pub(super) fn into_host(self) -> host::ByteRange {
        host::ByteRange { first: self.first, last: self.last }
    }
}

#[derive(Deserialize)]
pub(super) struct Place {
    bucket: String,
    name: String,
}

impl Place {
    pub(super) fn names(&self) -> (&str, &str) {
        (&self.bucket, &self.name)
    }
}

#[derive(Deserialize)]
pub(super) struct ListOptions {
    identity: String,
    prefix: String,
    recursive: bool,
    limit: u32,
    offset: u32,
    cursor: Option<String>,
    sort: String,
    descending: bool,
}

impl ListOptions {
    pub(super) fn into_host(self) -> Result<host::ListOptions, Error> {
        let sort = match self.sort.as_str() {
            "name" => host::SortColumn::Name,
            "createdAt" => host::SortColumn::CreatedAt,
            "updatedAt" => host::SortColumn::UpdatedAt,
            "lastAccessedAt" => host::SortColumn::LastAccessedAt,
            other => {
                let why = format!("nothing is sorted by {other:?}");
                return Err(Error::new(Code::InvalidParameter, why));
            }
        };
        Ok(host::ListOptions {
            identity: identity(&self.identity)?,
            prefix: self.prefix,
            recursive: self.recursive,
            limit: self.limit,
            offset: self.offset,
            cursor: self.cursor,
            sort,
            order: if self.descending { host::Order::Descending } else { host::Order::Ascending },
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stored {
    id: String,
    version: String,
    size: u64,
    etag: String,
    content_type: String,
}

impl From<host::Stored> for Stored {
    fn from(stored: host::Stored) -> Self {
        let host::Stored { id, version, size, etag, content_type } = stored;
        Self { id, version, size, etag, content_type }
    }
}

/// An object's row. `user_metadata` is JSON text, which the script parses.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Found {
    id: String,
    bucket: String,
    name: String,
    version: String,
    size: u64,
    content_type: String,
    cache_control: String,
    etag: String,
    user_metadata: Option<String>,
    owner: Option<String>,
    created_at: String,
    updated_at: String,
    last_accessed_at: String,
}

impl From<host::Object> for Found {
    fn from(object: host::Object) -> Self {
        Self {
            id: object.id,
            bucket: object.bucket,
            name: object.name,
            version: object.version,
            size: object.size,
            content_type: object.content_type,
            cache_control: object.cache_control,
            etag: object.etag,
            user_metadata: object.user_metadata,
            owner: object.owner,
            created_at: object.created_at,
            updated_at: object.updated_at,
            last_accessed_at: object.last_accessed_at,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Got {
    pub(super) object: Found,
    pub(super) size: u64,
    pub(super) first: u64,
    pub(super) length: u64,
    pub(super) rid: u32,
}

#[derive(Serialize)]
pub(super) struct Entries {
    entries: Vec<Entry>,
    cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Entry {
    Folder(String),
    Object(Box<Found>),
}

impl From<host::Page> for Entries {
    fn from(page: host::Page) -> Self {
        let entry = |entry| match entry {
            host::Entry::Folder(name) => Entry::Folder(name),
            host::Entry::Object(object) => Entry::Object(Box::new((*object).into())),
        };
        Self { entries: page.entries.into_iter().map(entry).collect(), cursor: page.cursor }
    }
}

#[derive(Serialize)]
pub(super) struct SignedUrl {
    path: String,
    token: String,
}

impl From<host::SignedUrl> for SignedUrl {
    fn from(host::SignedUrl { path, token }: host::SignedUrl) -> Self {
        Self { path, token }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Verified {
    bucket: String,
    name: String,
    expires_at: u64,
}

impl From<host::Signed> for Verified {
    fn from(host::Signed { bucket, name, expires_at }: host::Signed) -> Self {
        Self { bucket, name, expires_at }
    }
}
