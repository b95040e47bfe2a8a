//! The tables of deployed functions, `isobase.functions` and its neighbours.
//!
//! Each change is one transaction: a crash leaves the version before it or the one after, never half
//! of one.

use bytes::Bytes;
use deadpool_postgres::{Object, Pool, Transaction};
use isobase_base::FunctionSlug;
use isobase_base::limits::DEPLOY_VERSIONS_KEPT;
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::{Digest, Manifest, digest};
use crate::releases::{Share, Traffic};

/// Postgres could not be asked, or refused.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database of deployed functions cannot be reached")]
    Unreachable(#[from] deadpool_postgres::PoolError),
    #[error("the database of deployed functions refused a statement")]
    Refused(#[from] tokio_postgres::Error),
    #[error("a stored artifact is damaged or missing")]
    Damaged,
}

/// Reads and writes the tables.
#[derive(Clone)]
pub(crate) struct Ledger {
    sessions: Pool,
}

/// A number that no other version of the function has or will have.
pub(crate) struct Reservation {
    pub(crate) id: String,
    pub(crate) version: u64,
    /// What the live version, if there is one, says of tokens.
    pub(crate) verify_jwt: Option<bool>,
}

/// A version that booted.
pub(crate) struct NewVersion<'a> {
    pub(crate) id: &'a str,
    pub(crate) version: u64,
    pub(crate) manifest: &'a Manifest,
    pub(crate) artifact: &'a Bytes,
    pub(crate) sources: &'a Bytes,
    pub(crate) preview: &'a str,
    /// Whether it answers from now on.
    pub(crate) goes_live: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct StoredFunction {
    pub(crate) id: String,
    pub(crate) slug: FunctionSlug,
    pub(crate) name: String,
    pub(crate) traffic: Traffic,
    pub(crate) created_at_ms: i64,
    pub(crate) updated_at_ms: i64,
    /// Oldest first.
    pub(crate) versions: Vec<StoredVersion>,
}

#[derive(Clone, Debug)]
pub(crate) struct StoredVersion {
    pub(crate) version: u64,
    pub(crate) manifest: Manifest,
    pub(crate) artifact: Digest,
    pub(crate) sources: Digest,
    pub(crate) preview: String,
    pub(crate) created_at_ms: i64,
}

impl StoredFunction {
    pub(crate) fn version(&self, version: u64) -> Option<&StoredVersion> {
        self.versions.iter().find(|stored| stored.version == version)
    }
}

impl Ledger {
    pub(crate) fn new(sessions: Pool) -> Self {
        Self { sessions }
    }

    async fn session(&self) -> Result<Object, StoreError> {
        Ok(self.sessions.get().await?)
    }

    /// Takes the next number of `slug`, which need not exist yet.
    pub(crate) async fn reserve(&self, slug: &FunctionSlug) -> Result<Reservation, StoreError> {
        const SQL: &str = "insert into isobase.functions as f (slug, name, last_version) values ($1, $1, 1) \
            on conflict (slug) do update set last_version = f.last_version + 1 \
            returning f.id::text, f.last_version, (select (v.manifest ->> 'verify_jwt')::bool \
              from isobase.function_versions v where v.function_id = f.id and v.version = f.live_version)";
        let session = self.session().await?;
        let statement = session.prepare_cached(SQL).await?;
        let row = session.query_one(&statement, &[&slug.as_str()]).await?;
        Ok(Reservation { id: row.get(0), version: number(row.get(1)), verify_jwt: row.get(2) })
    }

    /// All functions that have versions, or the one called `only`.
    pub(crate) async fn load(&self, only: Option<&FunctionSlug>) -> Result<Vec<StoredFunction>, StoreError> {
        const SQL: &str = "select f.id::text, f.slug, f.name, f.live_version, f.previous_version, f.shares, \
            f.sticky, (extract(epoch from f.created_at) * 1000)::bigint, \
            (extract(epoch from f.updated_at) * 1000)::bigint, \
            v.version, v.manifest, v.artifact, v.sources, v.preview, \
            (extract(epoch from v.created_at) * 1000)::bigint \
            from isobase.functions f join isobase.function_versions v on v.function_id = f.id \
            where $1::text is null or f.slug = $1 order by f.slug, v.version";
        let session = self.session().await?;
        let statement = session.prepare_cached(SQL).await?;
        let rows = session.query(&statement, &[&only.map(FunctionSlug::as_str)]).await?;
        let mut functions: Vec<StoredFunction> = Vec::new();
        for row in rows {
            let Ok(slug) = FunctionSlug::parse(row.get(1)) else { continue };
            if functions.last().is_none_or(|last| last.slug != slug) {
                functions.push(function(&row, slug));
            }
            let last = functions.last_mut().expect("just pushed");
            last.versions.push(version(&row)?);
        }
        Ok(functions)
    }

    /// Stores a version and, if it goes live, flips to it: all or nothing.
    pub(crate) async fn add(&self, new: NewVersion<'_>) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        let transaction = begin(&mut session).await?;
        let version = signed(new.version);
        let (artifact, sources) = (digest(new.artifact), digest(new.sources));
        for (name, content) in [(&artifact, new.artifact), (&sources, new.sources)] {
            let sql =
                "insert into isobase.artifacts (sha256, content) values ($1, $2) on conflict do nothing";
            transaction.execute(sql, &[&name.as_slice(), &content.as_ref()]).await?;
        }
        let sql = "insert into isobase.function_versions \
            (function_id, version, manifest, artifact, sources, preview) \
            values ($1::text::uuid, $2, $3, $4, $5, $6)";
        let manifest = Json(new.manifest);
        let (artifact, sources) = (artifact.as_slice(), sources.as_slice());
        transaction.execute(sql, &[&new.id, &version, &manifest, &artifact, &sources, &new.preview]).await?;
        if new.goes_live {
            let name = new.manifest.name.as_deref();
            let sql = "update isobase.functions set name = coalesce($2, name), updated_at = now() \
                where id = $1::text::uuid";
            transaction.execute(sql, &[&new.id, &name]).await?;
            flip(&transaction, new.id, version, "deploy").await?;
        }
        prune(&transaction, new.id).await?;
        Ok(transaction.commit().await?)
    }

    /// Lets a stored version answer alone.
    pub(crate) async fn flip(&self, id: &str, version: u64, reason: &str) -> Result<(), StoreError> {
        self.flip_all(&[(id, version)], reason).await
    }

    /// The same for several functions, all or none.
    pub(crate) async fn flip_all(&self, flips: &[(&str, u64)], reason: &str) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        let transaction = begin(&mut session).await?;
        for (id, version) in flips {
            flip(&transaction, id, signed(*version), reason).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Sends shares of the traffic to versions beside the live one.
    pub(crate) async fn split(&self, id: &str, shares: &[Share], sticky: bool) -> Result<(), StoreError> {
        let sql = "with changed as (update isobase.functions set shares = $2, sticky = $3, updated_at = now() \
              where id = $1::text::uuid returning id, live_version, shares) \
            insert into isobase.function_flips (function_id, live_version, shares, reason) \
            select id, live_version, shares, 'split' from changed";
        self.session().await?.execute(sql, &[&id, &Json(shares), &sticky]).await?;
        Ok(())
    }

    /// Changes what the live version's manifest says of tokens, and the name.
    pub(crate) async fn amend(
        &self,
        id: &str,
        name: Option<&str>,
        verify_jwt: Option<bool>,
    ) -> Result<(), StoreError> {
        let sql = "with renamed as (update isobase.functions set name = coalesce($2, name), updated_at = now() \
              where id = $1::text::uuid returning id, live_version) \
            update isobase.function_versions v \
            set manifest = v.manifest || jsonb_build_object('verify_jwt', coalesce($3, (v.manifest ->> 'verify_jwt')::bool)) \
            from renamed where v.function_id = renamed.id and v.version = renamed.live_version";
        self.session().await?.execute(sql, &[&id, &name, &verify_jwt]).await?;
        Ok(())
    }

    /// Removes all versions. The row stays, so that numbers count on.
    pub(crate) async fn delete(&self, id: &str) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        let transaction = begin(&mut session).await?;
        let sql = "update isobase.functions set live_version = null, previous_version = null, shares = '[]', \
            sticky = false, updated_at = now() where id = $1::text::uuid";
        transaction.execute(sql, &[&id]).await?;
        let sql = "with gone as (delete from isobase.function_versions where function_id = $1::text::uuid) \
            insert into isobase.function_flips (function_id, reason) values ($1::text::uuid, 'delete')";
        transaction.execute(sql, &[&id]).await?;
        drop_unused_artifacts(&transaction).await?;
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn content(&self, name: &Digest) -> Result<Bytes, StoreError> {
        let sql = "select content from isobase.artifacts where sha256 = $1";
        let row = self.session().await?.query_opt(sql, &[&name.as_slice()]).await?;
        let content: Vec<u8> = row.ok_or(StoreError::Damaged)?.get(0);
        if digest(&content) == *name { Ok(content.into()) } else { Err(StoreError::Damaged) }
    }
}

/// One change at a time: an artifact that one deploy finds there must not be dropped by another.
async fn begin(session: &mut Object) -> Result<Transaction<'_>, StoreError> {
    let transaction = session.transaction().await?;
    transaction.batch_execute("select pg_advisory_xact_lock(hashtext('isobase.functions'))").await?;
    Ok(transaction)
}

async fn flip(transaction: &Transaction<'_>, id: &str, version: i32, reason: &str) -> Result<(), StoreError> {
    let sql = "with changed as (update isobase.functions set \
          previous_version = case when live_version is distinct from $2 then live_version else previous_version end, \
          live_version = $2, shares = '[]', updated_at = now() \
          where id = $1::text::uuid returning id) \
        insert into isobase.function_flips (function_id, live_version, reason) select id, $2, $3 from changed";
    transaction.execute(sql, &[&id, &version, &reason]).await?;
    Ok(())
}

/// Forgets versions that do not answer and are older than those kept.
async fn prune(transaction: &Transaction<'_>, id: &str) -> Result<(), StoreError> {
    let sql = "delete from isobase.function_versions v using isobase.functions f \
        where f.id = $1::text::uuid and v.function_id = f.id \
          and v.version <> all (array[coalesce(f.live_version, 0), coalesce(f.previous_version, 0)]) \
          and not f.shares @> jsonb_build_array(jsonb_build_object('version', v.version)) \
          and v.version <= (select o.version from isobase.function_versions o where o.function_id = f.id \
                            order by o.version desc offset $2 limit 1)";
    if transaction.execute(sql, &[&id, &DEPLOY_VERSIONS_KEPT]).await? > 0 {
        drop_unused_artifacts(transaction).await?;
    }
    Ok(())
}

async fn drop_unused_artifacts(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let sql = "delete from isobase.artifacts a \
        where not exists (select from isobase.function_versions v where v.artifact = a.sha256) \
          and not exists (select from isobase.function_versions v where v.sources = a.sha256)";
    transaction.batch_execute(sql).await?;
    Ok(())
}

fn function(row: &Row, slug: FunctionSlug) -> StoredFunction {
    let Json(shares): Json<Vec<Share>> = row.get(5);
    StoredFunction {
        id: row.get(0),
        slug,
        name: row.get(2),
        traffic: Traffic {
            live: row.get::<_, Option<i32>>(3).map(number),
            previous: row.get::<_, Option<i32>>(4).map(number),
            shares,
            sticky: row.get(6),
        },
        created_at_ms: row.get(7),
        updated_at_ms: row.get(8),
        versions: Vec::new(),
    }
}

fn version(row: &Row) -> Result<StoredVersion, StoreError> {
    let name = |column: usize| Digest::try_from(row.get::<_, &[u8]>(column)).map_err(|_| StoreError::Damaged);
    let Json(manifest): Json<Manifest> = row.try_get(10)?;
    Ok(StoredVersion {
        version: number(row.get(9)),
        manifest,
        artifact: name(11)?,
        sources: name(12)?,
        preview: row.get(13),
        created_at_ms: row.get(14),
    })
}

fn number(version: i32) -> u64 {
    u64::try_from(version).unwrap_or_default()
}

/// Versions beyond two billion do not exist; one that is asked for is not found.
fn signed(version: u64) -> i32 {
    i32::try_from(version).unwrap_or(i32::MAX)
}
