//! Storing an object: blob first, then the row that makes it visible.

use http_body::Body as _;
use isobase_base::Body;
use isobase_base::limits::{STORAGE_METADATA_BYTES_MAX, STORAGE_TRIAL_BYTES_MIN};
use isobase_database::{Identity, Parameter, Statement, Value};
use uuid::Uuid;

use crate::blob::{DigestKind, PutBlob};
use crate::object::{DEFAULT_CACHE_CONTROL, DEFAULT_CONTENT_TYPE, Metadata};
use crate::statement::{Operation, optional, session, text};
use crate::storage::Underway;
use crate::{Code, Door, Error, Stored, name};

/// How an object is stored.
#[derive(Clone, Debug, Default)]
pub struct PutOptions {
    pub identity: Identity,
    /// Whether an object of the same name is replaced. The policies must then allow to select and to
    /// update as well.
    pub upsert: bool,
    /// `application/octet-stream` where it is not said.
    pub content_type: Option<String>,
    /// `no-cache` where it is not said.
    pub cache_control: Option<String>,
    /// A JSON object.
    pub user_metadata: Option<String>,
}

/// A row that is to be: the blob's, or a trial.
pub(crate) struct NewRow<'a> {
    pub(crate) id: Uuid,
    pub(crate) bucket: &'a str,
    pub(crate) name: &'a str,
    pub(crate) version: String,
    pub(crate) metadata: String,
    pub(crate) user_metadata: Option<&'a str>,
}

impl Door {
    /// Stores `body` whole. When this returns the object is there, and stays there whatever happens. When
    /// it fails, what was there before is there still; only if the database went away or took too long at
    /// the very end may the new object be there instead, whole as well.
    pub async fn put(
        &self,
        bucket: &str,
        object: &str,
        body: Body,
        options: PutOptions,
    ) -> Result<Stored, Error> {
        // Before anything is read or asked: whether this function may at all.
        self.database(options.identity)?;
        name::check(object)?;
        check_user_metadata(options.user_metadata.as_deref())?;
        let limits = self.core.buckets.get(&self.context, bucket).await?;
        let content_type = options.content_type.as_deref().unwrap_or(DEFAULT_CONTENT_TYPE);
        limits.check_type(content_type)?;
        let bytes_max = limits.object_bytes_max.unwrap_or(u64::MAX).min(self.core.object_bytes_max);
        let declared = body.size_hint().exact();
        if declared.is_some_and(|bytes| bytes > bytes_max) {
            return Err(Error::too_large());
        }
        if declared.is_none_or(|bytes| bytes > STORAGE_TRIAL_BYTES_MIN) {
            self.try_out(bucket, object, declared, &options).await?;
        }
        let underway = self.core.under_way.begin();
        let put = PutBlob { bytes_max, digest: DigestKind::Md5, expected: None };
        let written = self.core.blobs.put(underway.version.blob(), body, put).await?;
        let cache_control = options.cache_control.as_deref().unwrap_or(DEFAULT_CACHE_CONTROL);
        let metadata =
            Metadata::new(written.bytes, &written.digest, content_type.to_owned(), cache_control.to_owned());
        let row = NewRow {
            id: Uuid::new_v4(),
            bucket,
            name: object,
            version: underway.version.to_string(),
            metadata: metadata.json(),
            user_metadata: options.user_metadata.as_deref(),
        };
        let operation = operation(options.upsert);
        let id = self.publish(row, underway, options.identity, options.upsert, operation).await?;
        Ok(stored(id, &metadata))
    }

    /// Writes the row. If Postgres refused it the blob goes at once; if nobody can know whether it was
    /// committed, the sweep decides later.
    pub(crate) async fn publish(
        &self,
        row: NewRow<'_>,
        underway: Underway,
        identity: Identity,
        upsert: bool,
        operation: Operation,
    ) -> Result<(String, String), Error> {
        let (id, version) = (row.id.to_string(), row.version.clone());
        let door = self.database(identity)?;
        let statement = self.insert(row, upsert);
        match door.query(&session(identity, operation), statement).await {
            Ok(table) => {
                // Without an upsert nothing is returned, which would ask for the right to select.
                let returned = table.rows.into_iter().next().and_then(|row| row.into_iter().next());
                let id = match returned {
                    Some(Value::Text(id)) => id,
                    _ => id,
                };
                underway.settle();
                Ok((id, version))
            }
            Err(error) => {
                // What cannot be deleted now is found by the sweep.
                if !Error::leaves_doubt(&error)
                    && self.core.blobs.delete(underway.version.blob()).await.is_ok()
                {
                    underway.settle();
                }
                Err(of_insert(error))
            }
        }
    }

    /// Asks the policies with a row that is rolled back, so that who may not store need not send.
    async fn try_out(
        &self,
        bucket: &str,
        object: &str,
        declared: Option<u64>,
        options: &PutOptions,
    ) -> Result<(), Error> {
        let mimetype = options.content_type.as_deref().unwrap_or(DEFAULT_CONTENT_TYPE);
        let metadata = serde_json::json!({ "mimetype": mimetype, "contentLength": declared });
        let row = NewRow {
            id: Uuid::new_v4(),
            bucket,
            name: object,
            version: String::new(),
            metadata: metadata.to_string(),
            user_metadata: options.user_metadata.as_deref(),
        };
        let statement = self.insert(row, options.upsert);
        let session = session(options.identity, operation(options.upsert));
        let mut transaction = self.database(options.identity)?.transaction(session);
        let tried = transaction.query(statement).await;
        transaction.rollback().await?;
        tried.map(drop).map_err(of_insert)
    }

    fn insert(&self, row: NewRow<'_>, upsert: bool) -> Statement {
        const INSERT: &str = "insert into storage.objects \
            (id, bucket_id, name, version, metadata, user_metadata, owner, owner_id) \
            values ($1, $2, $3, $4, $5, $6, $7, $8)";
        const UPSERT: &str = "insert into storage.objects \
            (id, bucket_id, name, version, metadata, user_metadata, owner, owner_id) \
            values ($1, $2, $3, $4, $5, $6, $7, $8) \
            on conflict (bucket_id, name) do update set version = excluded.version, \
              metadata = excluded.metadata, user_metadata = excluded.user_metadata, \
              owner = excluded.owner, owner_id = excluded.owner_id, last_accessed_at = now() \
            returning id::text";
        let subject = self.context.principal.subject();
        let owner = subject.filter(|subject| Uuid::try_parse(subject).is_ok());
        let version = if row.version.is_empty() { Parameter::Null } else { text(row.version) };
        let parameters = vec![
            text(row.id.to_string()),
            text(row.bucket),
            text(row.name),
            version,
            text(row.metadata),
            optional(row.user_metadata),
            optional(owner),
            optional(subject),
        ];
        Statement::new(if upsert { UPSERT } else { INSERT }, parameters)
    }
}

pub(crate) fn stored((id, version): (String, String), metadata: &Metadata) -> Stored {
    Stored {
        id,
        version,
        size: metadata.size,
        etag: metadata.etag.clone(),
        content_type: metadata.mimetype.clone(),
    }
}

fn operation(upsert: bool) -> Operation {
    if upsert { Operation::Upsert } else { Operation::Upload }
}

/// The one reference of a row is its bucket, which went while the object was on its way.
pub(crate) fn of_insert(error: isobase_database::Error) -> Error {
    let error = Error::from(error);
    if error.code == Code::ResourceReferenced { Error::no_such_bucket() } else { error }
}

pub(crate) fn check_user_metadata(json: Option<&str>) -> Result<(), Error> {
    let Some(json) = json else { return Ok(()) };
    let refused = |why: &str| Err(Error::new(Code::InvalidRequest, why));
    if json.len() > STORAGE_METADATA_BYTES_MAX {
        return Err(Error::new(Code::EntityTooLarge, "the user metadata is longer than allowed"));
    }
    match serde_json::from_str::<serde_json::Value>(json) {
        Ok(serde_json::Value::Object(_)) => Ok(()),
        _ => refused("the user metadata is not a JSON object"),
    }
}
