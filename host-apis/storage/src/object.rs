//! An object as its row tells it, and what a row is told of an object.

use isobase_base::Body;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::statement::Row;
use crate::version::Version;

/// The columns that [`Object::read`] takes, of a row called `object`. Times as upstream prints them.
pub(crate) const COLUMNS: &str = "object.id::text, object.bucket_id, object.name, object.version, \
    object.metadata, object.user_metadata, object.owner_id, \
    to_char(object.created_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), \
    to_char(object.updated_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), \
    to_char(object.last_accessed_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')";

/// A stored object. Times are RFC 3339 in UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// A UUID.
    pub id: String,
    pub bucket: String,
    pub name: String,
    /// Another one after each upload.
    pub version: String,
    /// In bytes.
    pub size: u64,
    pub content_type: String,
    /// As `Cache-Control` is to be answered.
    pub cache_control: String,
    /// With its quotes.
    pub etag: String,
    /// A JSON object that the uploader chose.
    pub user_metadata: Option<String>,
    /// The `sub` of the uploader.
    pub owner: Option<String>,
    pub created_at: String,
    pub updated_at: String,
    pub last_accessed_at: String,
}

/// What an upload made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub id: String,
    pub version: String,
    pub size: u64,
    pub etag: String,
    pub content_type: String,
}

/// An object, or a part of it, on its way out.
#[derive(Debug)]
pub struct Content {
    pub object: Object,
    /// Of the whole object, in bytes.
    pub size: u64,
    /// Where the part begins.
    pub first: u64,
    /// How much of it comes.
    pub length: u64,
    pub body: Body,
}

/// `storage.objects.metadata`: the keys that upstream writes and projects' SQL reads.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Metadata {
    #[serde(rename = "eTag")]
    pub(crate) etag: String,
    pub(crate) size: u64,
    pub(crate) mimetype: String,
    pub(crate) cache_control: String,
    pub(crate) last_modified: String,
    pub(crate) content_length: u64,
    pub(crate) http_status_code: u16,
}

impl Metadata {
    pub(crate) fn new(bytes: u64, digest: &str, mimetype: String, cache_control: String) -> Self {
        Self {
            etag: format!("\"{digest}\""),
            size: bytes,
            mimetype,
            cache_control,
            last_modified: now(),
            content_length: bytes,
            http_status_code: 200,
        }
    }

    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("numbers and strings become JSON")
    }

    /// What a row has; rows written by hand may have anything.
    pub(crate) fn read(json: Option<&str>) -> Self {
        json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
    }
}

impl Object {
    pub(crate) fn read(row: &mut Row) -> Self {
        let id = row.text().unwrap_or_default();
        let bucket = row.text().unwrap_or_default();
        let name = row.text().unwrap_or_default();
        let version = row.text().unwrap_or_default();
        let metadata = Metadata::read(row.text().as_deref());
        let content_type =
            if metadata.mimetype.is_empty() { DEFAULT_CONTENT_TYPE.to_owned() } else { metadata.mimetype };
        Self {
            id,
            bucket,
            name,
            version,
            size: metadata.size,
            content_type,
            cache_control: metadata.cache_control,
            etag: metadata.etag,
            user_metadata: row.text(),
            owner: row.text(),
            created_at: row.text().unwrap_or_default(),
            updated_at: row.text().unwrap_or_default(),
            last_accessed_at: row.text().unwrap_or_default(),
        }
    }

    pub(crate) fn version(&self) -> Option<Version> {
        Version::parse(&self.version)
    }
}

/// What an object is where nobody said it.
pub(crate) const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";
/// What is answered as `Cache-Control` where nobody said it, as upstream.
pub(crate) const DEFAULT_CACHE_CONTROL: &str = "no-cache";

fn now() -> String {
    const FORMAT: &[time::format_description::BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::now_utc().format(&FORMAT).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Metadata;

    #[test]
    fn metadata_has_the_keys_that_projects_read() {
        let metadata = Metadata::new(3, "0a", "text/plain".into(), "no-cache".into());
        let json: serde_json::Value = serde_json::from_str(&metadata.json()).unwrap();
        assert_eq!(json["eTag"], "\"0a\"");
        assert_eq!(json["size"], 3);
        assert_eq!(json["contentLength"], 3);
        assert_eq!(json["mimetype"], "text/plain");
        assert_eq!(json["cacheControl"], "no-cache");
        assert_eq!(json["httpStatusCode"], 200);
        assert_eq!(json["lastModified"].as_str().map(str::len), Some(24));
    }

    #[test]
    fn foreign_metadata_is_read_as_far_as_it_goes() {
        assert_eq!(Metadata::read(Some(r#"{"size": 7, "other": []}"#)).size, 7);
        assert_eq!(Metadata::read(Some("[]")).size, 0);
        assert_eq!(Metadata::read(None).mimetype, "");
    }
}
