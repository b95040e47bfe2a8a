//! Copying, moving, deleting: rows change, blobs do not.

use isobase_base::limits::STORAGE_DELETE_MAX;
use isobase_database::{Identity, Statement};
use uuid::Uuid;

use crate::object::{COLUMNS, Metadata};
use crate::statement::{Operation, Row, text};
use crate::write::{NewRow, check_user_metadata, of_insert, stored};
use crate::{BlobError, Code, Door, Error, Object, Stored, name};

/// How an object is copied. What is `None` is the source's.
#[derive(Clone, Debug, Default)]
pub struct CopyOptions {
    pub identity: Identity,
    /// Whether an object of the new name is replaced.
    pub upsert: bool,
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    /// A JSON object.
    pub user_metadata: Option<String>,
}

impl Door {
    /// Makes a second object of the same content. `from` and `to` are a bucket and a name each. The
    /// caller must be allowed to select the one and to insert the other.
    pub async fn copy(
        &self,
        from: (&str, &str),
        to: (&str, &str),
        options: CopyOptions,
    ) -> Result<Stored, Error> {
        name::check(to.1)?;
        check_user_metadata(options.user_metadata.as_deref())?;
        let source = self.find(from.0, from.1, options.identity, Operation::Copy).await?;
        let content_type = options.content_type.unwrap_or(source.content_type.clone());
        let limits = self.core.buckets.get(&self.context, to.0).await?;
        limits.check_type(&content_type)?;
        if limits.object_bytes_max.is_some_and(|bytes_max| source.size > bytes_max) {
            return Err(Error::too_large());
        }
        let version = source.version().ok_or(BlobError::Missing)?;
        let underway = self.core.under_way.begin();
        self.core.blobs.copy(version.blob(), underway.version.blob()).await?;
        let digest = source.etag.trim_matches('"');
        let cache_control = options.cache_control.unwrap_or(source.cache_control.clone());
        let metadata = Metadata::new(source.size, digest, content_type, cache_control);
        let row = NewRow {
            id: Uuid::new_v4(),
            bucket: to.0,
            name: to.1,
            version: underway.version.to_string(),
            metadata: metadata.json(),
            user_metadata: options.user_metadata.as_deref().or(source.user_metadata.as_deref()),
        };
        let id = self.publish(row, underway, options.identity, options.upsert, Operation::Copy).await?;
        Ok(stored(id, &metadata))
    }

    /// Gives an object another name, perhaps in another bucket. Fails where there is one of that name.
    pub async fn rename(
        &self,
        from: (&str, &str),
        to: (&str, &str),
        identity: Identity,
    ) -> Result<(), Error> {
        const MOVE: &str = "update storage.objects set bucket_id = $3, name = $4 \
            where bucket_id = $1 and name = $2";
        name::check(from.1)?;
        name::check(to.1)?;
        if from.0 != to.0 {
            let source = self.find(from.0, from.1, identity, Operation::Move).await?;
            let limits = self.core.buckets.get(&self.context, to.0).await?;
            limits.check_type(&source.content_type)?;
            if limits.object_bytes_max.is_some_and(|bytes_max| source.size > bytes_max) {
                return Err(Error::too_large());
            }
        }
        let statement = Statement::new(MOVE, vec![text(from.0), text(from.1), text(to.0), text(to.1)]);
        let session = crate::statement::session(identity, Operation::Move);
        let moved = self.database(identity)?.query(&session, statement).await.map_err(of_insert)?;
        if moved.affected == 0 { Err(Error::no_such_key()) } else { Ok(()) }
    }

    /// Deletes objects and tells which ones. Those that are not there, and those that the caller may not
    /// delete, are left out in silence, as upstream.
    pub async fn delete(
        &self,
        bucket: &str,
        names: &[String],
        identity: Identity,
    ) -> Result<Vec<Object>, Error> {
        if names.is_empty() || names.len() > STORAGE_DELETE_MAX {
            let text = format!("name 1 to {STORAGE_DELETE_MAX} objects to delete");
            return Err(Error::new(Code::InvalidRequest, text));
        }
        let sql = format!(
            "delete from storage.objects object where bucket_id = $1 \
             and name in (select jsonb_array_elements_text($2::jsonb)) returning {COLUMNS}"
        );
        let list = serde_json::to_string(names).expect("strings become JSON");
        let statement = Statement::new(sql, vec![text(bucket), text(list)]);
        let table = self.query(identity, Operation::Delete, statement).await?;
        Ok(table.rows.into_iter().map(|row| Object::read(&mut Row::new(row))).collect())
    }
}
