//! The host's own work on the storage: buckets of the settings, and removing what nobody names.
//!
//! Two kinds of blobs go, once they were kept for as long as the settings say: those on the list that
//! triggers write when a row lets go of them, and those that no row names and no list either, which a
//! crash between blob and row leaves. Either is asked about again, in the database, just before.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Object as Session, Pool, PoolError};
use isobase_base::limits::STORAGE_SWEEP_BATCH;
use isobase_base::project::BucketSettings;

use crate::BlobError;
use crate::blob::Room;
use crate::storage::{Core, sweep_interval};
use crate::version::Version;

/// What the tables of the storage belong to: their owner sees all rows.
const AS_OWNER: &str = "set local role supabase_storage_admin";

/// Why the host's own work failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OwnError {
    #[error(transparent)]
    Session(#[from] PoolError),
    #[error("{}", .0.as_db_error().map_or_else(|| .0.to_string(), |error| error.message().to_owned()))]
    Sql(#[from] tokio_postgres::Error),
    #[error(transparent)]
    Blob(#[from] BlobError),
}

/// A name that this database keeps, and no other one has but a copy of it.
pub(crate) async fn database_id(sessions: &Pool) -> Result<String, OwnError> {
    let session = sessions.get().await?;
    session
        .execute(
            "insert into isobase.settings (name, value) values ('storage_id', gen_random_uuid()::text) \
             on conflict (name) do nothing",
            &[],
        )
        .await?;
    let row = session.query_one("select value from isobase.settings where name = 'storage_id'", &[]).await?;
    let id: String = row.get(0);
    // It becomes the name of a folder.
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    Ok(if !id.is_empty() && id.bytes().all(is_name) { id } else { "unnamed".to_owned() })
}

/// Makes the buckets that the settings name, and gives those that are there the settings' limits.
pub(crate) async fn make_buckets(
    sessions: &Pool,
    buckets: &BTreeMap<String, BucketSettings>,
) -> Result<(), OwnError> {
    if buckets.is_empty() {
        return Ok(());
    }
    let mut session = sessions.get().await?;
    let transaction = session.transaction().await?;
    transaction.batch_execute(AS_OWNER).await?;
    for (name, bucket) in buckets {
        let limit = bucket.file_size_limit.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        let types = Some(&bucket.allowed_mime_types).filter(|types| !types.is_empty());
        transaction
            .execute(
                "insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types) \
                 values ($1, $1, $2, $3, $4) \
                 on conflict (id) do update set public = excluded.public, \
                   file_size_limit = excluded.file_size_limit, \
                   allowed_mime_types = excluded.allowed_mime_types, updated_at = now() \
                 where (buckets.public, buckets.file_size_limit, buckets.allowed_mime_types) \
                   is distinct from \
                   (excluded.public, excluded.file_size_limit, excluded.allowed_mime_types)",
                &[name, &bucket.public, &limit, &types],
            )
            .await?;
    }
    Ok(transaction.commit().await?)
}

/// Sweeps now and then, as long as it is polled.
pub(crate) async fn run(core: Arc<Core>, sessions: Pool, keep: Duration) {
    loop {
        match sweep(&core, &sessions, keep).await {
            Ok(0) => {}
            Ok(removed) => tracing::debug!(removed, "blobs that nobody names were removed"),
            Err(error) => tracing::warn!(%error, "the sweep of the storage will be tried again"),
        }
        tokio::time::sleep(sweep_interval(keep)).await;
    }
}

async fn sweep(core: &Core, sessions: &Pool, keep: Duration) -> Result<usize, OwnError> {
    let removed = sweep_deleted(core, sessions, keep).await?;
    Ok(removed + sweep_unnamed(core, sessions, keep).await?)
}

/// What triggers noted.
async fn sweep_deleted(core: &Core, sessions: &Pool, keep: Duration) -> Result<usize, OwnError> {
    let mut session = sessions.get().await?;
    let mut removed = 0;
    loop {
        let rows = session
            .query(
                "select version from isobase.storage_garbage \
                 where deleted_at < now() - make_interval(secs => $1) order by deleted_at limit $2",
                &[&keep.as_secs_f64(), &(STORAGE_SWEEP_BATCH as i64)],
            )
            .await?;
        if rows.is_empty() {
            return Ok(removed);
        }
        let noted: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        removed += remove(core, &mut session, &noted).await?;
        session.execute("delete from isobase.storage_garbage where version = any($1)", &[&noted]).await?;
    }
}

/// What a crash left.
async fn sweep_unnamed(core: &Core, sessions: &Pool, keep: Duration) -> Result<usize, OwnError> {
    let mut session = sessions.get().await?;
    let (mut removed, mut after) = (0, None);
    loop {
        let names = core.blobs.list(Room::Objects, after, STORAGE_SWEEP_BATCH).await?;
        let Some(last) = names.last().cloned() else { return Ok(removed) };
        let is_old = |name: &String| {
            Version::parse(name).is_some_and(|version| version.age() > keep && !core.under_way.has(version))
        };
        let old: Vec<String> = names.into_iter().filter(is_old).collect();
        let unlisted = unlisted(&session, &old).await?;
        removed += remove(core, &mut session, &unlisted).await?;
        after = Some(last);
    }
}

/// Those of `versions` that are not on the list: what is on it has its time there.
async fn unlisted(session: &Session, versions: &[String]) -> Result<Vec<String>, OwnError> {
    let rows = session
        .query(
            "select version from unnest($1::text[]) version \
             where not exists (select from isobase.storage_garbage noted where noted.version = version.version)",
            &[&versions],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Deletes the blobs of those `versions` that no row names.
async fn remove(core: &Core, session: &mut Session, versions: &[String]) -> Result<usize, OwnError> {
    if versions.is_empty() {
        return Ok(0);
    }
    let transaction = session.transaction().await?;
    transaction.batch_execute(AS_OWNER).await?;
    let rows = transaction
        .query("select distinct version from storage.objects where version = any($1)", &[&versions])
        .await?;
    transaction.commit().await?;
    let named: HashSet<String> = rows.iter().map(|row| row.get(0)).collect();
    let mut removed = 0;
    for version in versions.iter().filter(|version| !named.contains(*version)) {
        if let Some(version) = Version::parse(version) {
            core.blobs.delete(version.blob()).await?;
            removed += 1;
        }
    }
    Ok(removed)
}
