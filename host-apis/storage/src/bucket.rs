//! What a bucket allows, and remembering it.

use std::collections::HashMap;
use std::sync::Arc;

use isobase_base::limits::STORAGE_BUCKETS_CACHED_MAX;
use isobase_base::{Context, Grant};
use isobase_database::{Database, Identity, Session, Statement};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::statement::{Row, text};
use crate::{Code, Error};

const SELECT: &str = "select public, file_size_limit, to_jsonb(allowed_mime_types) \
    from storage.buckets where id = $1";

/// The settings of a bucket that bound its objects. Read past row level security: who may upload need
/// not be allowed to look at the bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(crate) public: bool,
    pub(crate) object_bytes_max: Option<u64>,
    /// `image/png`, `image/*`, `*/*`; empty for all.
    allowed: Vec<String>,
}

/// Buckets that were asked for before. Empty while nobody would tell that one was changed.
pub(crate) struct Buckets {
    database: Database,
    changes: Option<watch::Receiver<u64>>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    generation: u64,
    by_name: HashMap<String, Arc<Bucket>>,
}

impl Bucket {
    fn read(values: Vec<isobase_database::Value>) -> Self {
        let mut row = Row::new(values);
        Self {
            public: row.boolean(),
            object_bytes_max: row.integer().and_then(|bytes| u64::try_from(bytes).ok()),
            allowed: row.text().and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default(),
        }
    }

    /// Compares what stands before the parameters: `text/plain;charset=UTF-8` is `text/plain`.
    pub(crate) fn check_type(&self, content_type: &str) -> Result<(), Error> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let allows = |allowed: &String| {
            let allowed = allowed.trim().to_ascii_lowercase();
            match allowed.strip_suffix('*') {
                Some(beginning) => essence.starts_with(beginning) || allowed == "*/*",
                None => allowed == essence,
            }
        };
        if self.allowed.is_empty() || self.allowed.iter().any(allows) {
            return Ok(());
        }
        Err(Error::new(Code::InvalidMimeType, format!("mime type {content_type} is not supported")))
    }
}

impl Buckets {
    /// `changes` moves when a bucket may have changed.
    pub(crate) fn new(database: Database, changes: Option<watch::Receiver<u64>>) -> Self {
        Self { database, changes, known: Mutex::default() }
    }

    pub(crate) async fn get(&self, context: &Context, name: &str) -> Result<Arc<Bucket>, Error> {
        // Before the question: what is changed while it is answered must not be remembered.
        let generation = self.generation();
        if let Some(bucket) = self.known(generation, name) {
            return Ok(bucket);
        }
        let door = self.database.session_door(context.clone(), Grant::Service);
        let session = Session { identity: Identity::Service, ..Session::default() };
        let rows = door.query(&session, Statement::new(SELECT, vec![text(name)])).await?.rows;
        let row = rows.into_iter().next().ok_or_else(Error::no_such_bucket)?;
        let bucket = Arc::new(Bucket::read(row));
        self.remember(generation, name, &bucket);
        Ok(bucket)
    }

    /// Zero while nothing would be heard.
    fn generation(&self) -> u64 {
        self.changes.as_ref().map_or(0, |changes| *changes.borrow())
    }

    fn known(&self, generation: u64, name: &str) -> Option<Arc<Bucket>> {
        let mut known = self.known.lock();
        if known.generation != generation {
            *known = Known { generation, by_name: HashMap::new() };
        }
        known.by_name.get(name).cloned()
    }

    fn remember(&self, generation: u64, name: &str, bucket: &Arc<Bucket>) {
        let mut known = self.known.lock();
        if generation == 0 || known.generation != generation {
            return;
        }
        if known.by_name.len() >= STORAGE_BUCKETS_CACHED_MAX {
            known.by_name.clear();
        }
        known.by_name.insert(name.to_owned(), Arc::clone(bucket));
    }
}

#[cfg(test)]
mod tests {
    use super::Bucket;

    #[test]
    fn types_are_compared_without_their_parameters() {
        let allowed = |list: &[&str]| Bucket {
            allowed: list.iter().map(|&item| item.to_owned()).collect(),
            ..Bucket::default()
        };
        for (list, content_type, passes) in [
            (&[][..], "anything", true),
            (&["text/plain"], "text/plain;charset=UTF-8", true),
            (&["image/*"], "image/png", true),
            (&["image/*", "text/css"], "TEXT/CSS", true),
            (&["*/*"], "a/b", true),
            (&["image/*"], "text/plain", false),
            (&["image/png"], "image/pngx", false),
        ] {
            assert_eq!(allowed(list).check_type(content_type).is_ok(), passes, "{list:?} {content_type}");
        }
    }
}
