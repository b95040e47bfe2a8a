//! Deployed functions at work: deploys, flips, and keeping up with other hosts.
//!
//! The database holds what is true; [`Releases`] holds what follows from it: which versions the pool
//! knows, and the table that requests are routed by. A version is tried out, as a *health boot*, before
//! anything points to it. Whoever changes the database applies the change here at once; other hosts are
//! woken by a notification and read it.

mod config;
mod deploy;
mod router;
mod sync;
mod traffic;

use std::sync::Arc;

use futures::future::BoxFuture;
use http::{Request, Response};
use isobase_base::project::LiveTriggers;
use isobase_base::{Access, Body, Context, Failure, FailureKind, FunctionSlug, Invoker, Target, hex};
use isobase_engine::{Publish, Stage};
use tokio::sync::{Semaphore, watch};

pub use config::{CheckTriggers, ReleasesConfig};
pub use deploy::{DeployError, Upload};
pub use router::Precedence;
pub use traffic::{Share, Traffic};

use crate::package_script::PackageScripts;
use crate::store::{Bundle, Ledger, StoreError, StoredFunction};
use router::{Route, Router};
use sync::Shown;

/// The deployed functions of a project, and the [`Invoker`] that finds the version for each request.
/// Clones share everything.
#[derive(Clone)]
pub struct Releases {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    config: ReleasesConfig,
    ledger: Ledger,
    stage: Arc<dyn Stage>,
    /// The way to the stage, on which secrets join.
    publish: Arc<dyn Publish>,
    router: Router,
    /// What the live versions declare.
    triggers: watch::Sender<Arc<LiveTriggers>>,
    /// What the pool was told. Held while that changes.
    shown: tokio::sync::Mutex<Shown>,
    builds: Semaphore,
    /// Modules of packages as read for the last deploys.
    package_scripts: PackageScripts,
}

/// A deployed function, for whoever manages it.
#[derive(Clone, Debug)]
pub struct Release {
    pub id: String,
    pub slug: FunctionSlug,
    pub name: String,
    pub traffic: Traffic,
    /// Milliseconds since 1970.
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
    /// Those kept, oldest first.
    pub versions: Vec<ReleaseVersion>,
}

/// One version of a function.
#[derive(Clone, Debug)]
pub struct ReleaseVersion {
    pub version: u64,
    pub manifest: crate::Manifest,
    /// SHA-256 of what the engine loads, in hex.
    pub artifact_sha256: String,
    /// The last segment of its preview URL.
    pub preview: String,
    pub created_at_ms: i64,
}

/// Why a deployed function could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    #[error("there is no deployed function {0}")]
    NoFunction(FunctionSlug),
    #[error("{slug} has no version {version}; it may be older than those kept")]
    NoVersion { slug: FunctionSlug, version: u64 },
    #[error("{0} has only ever had one version live; there is nothing to go back to")]
    NothingBefore(FunctionSlug),
    #[error("the shares of {0} are not usable: {1}")]
    Shares(FunctionSlug, &'static str),
    #[error("version {version} of {slug} does not start any more")]
    Boot { slug: FunctionSlug, version: u64, source: Failure },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Releases {
    /// All functions that have a live version, by slug.
    pub async fn list(&self) -> Result<Vec<Release>, StoreError> {
        let stored = self.inner.ledger.load(None).await?;
        Ok(stored.into_iter().filter(|stored| stored.traffic.live.is_some()).map(Release::from).collect())
    }

    pub async fn get(&self, slug: &FunctionSlug) -> Result<Release, ReleaseError> {
        Ok(Release::from(self.stored(slug).await?))
    }

    /// The files of a version; of the live one where none is named.
    pub async fn sources(
        &self,
        slug: &FunctionSlug,
        version: Option<u64>,
    ) -> Result<(ReleaseVersion, Bundle), ReleaseError> {
        let stored = self.stored(slug).await?;
        let wanted = version.or(stored.traffic.live);
        let found = wanted.and_then(|version| stored.version(version)).ok_or_else(|| {
            ReleaseError::NoVersion { slug: slug.clone(), version: wanted.unwrap_or_default() }
        })?;
        let content = self.inner.ledger.content(&found.sources).await?;
        let bundle = Bundle::decode(&content).map_err(|_| StoreError::Damaged)?;
        Ok((found.into(), bundle))
    }

    /// Lets `to`, or the version that was live before, answer alone. Returns the version. The flip is
    /// done for requests to this host when it returns, and for those to others within a second.
    pub async fn rollback(&self, slug: &FunctionSlug, to: Option<u64>) -> Result<u64, ReleaseError> {
        let stored = self.stored(slug).await?;
        let version =
            to.or(stored.traffic.previous).ok_or_else(|| ReleaseError::NothingBefore(slug.clone()))?;
        self.make_ready(&stored, version).await?;
        self.inner.ledger.flip(&stored.id, version, "rollback").await?;
        self.inner.apply(slug).await?;
        Ok(version)
    }

    /// Lets each function's version answer alone: all of them, or none.
    pub async fn flip_all(&self, flips: &[(FunctionSlug, u64)]) -> Result<Vec<Release>, ReleaseError> {
        let mut ready = Vec::new();
        for (slug, version) in flips {
            let stored = self.stored(slug).await?;
            self.make_ready(&stored, *version).await?;
            ready.push((stored.id, *version));
        }
        let by_id: Vec<_> = ready.iter().map(|(id, version)| (id.as_str(), *version)).collect();
        self.inner.ledger.flip_all(&by_id, "deploy").await?;
        let mut releases = Vec::new();
        for (slug, _) in flips {
            self.inner.apply(slug).await?;
            releases.push(self.get(slug).await?);
        }
        Ok(releases)
    }

    /// Sends shares of the requests to other versions. None: all to the live one.
    pub async fn split(
        &self,
        slug: &FunctionSlug,
        shares: Vec<Share>,
        sticky: bool,
    ) -> Result<Release, ReleaseError> {
        let stored = self.stored(slug).await?;
        check_shares(&stored, &shares)?;
        for share in &shares {
            self.make_ready(&stored, share.version).await?;
        }
        self.inner.ledger.split(&stored.id, &shares, sticky).await?;
        self.inner.apply(slug).await?;
        self.get(slug).await
    }

    /// Changes the name, and whether the live version demands a token.
    pub async fn amend(
        &self,
        slug: &FunctionSlug,
        name: Option<&str>,
        verify_jwt: Option<bool>,
    ) -> Result<Release, ReleaseError> {
        let stored = self.stored(slug).await?;
        self.inner.ledger.amend(&stored.id, name, verify_jwt).await?;
        self.inner.apply(slug).await?;
        self.get(slug).await
    }

    /// Removes the function with all its versions.
    pub async fn delete(&self, slug: &FunctionSlug) -> Result<(), ReleaseError> {
        let stored = self.stored(slug).await?;
        self.inner.ledger.delete(&stored.id).await?;
        Ok(self.inner.apply(slug).await?)
    }

    /// What the live versions declare, now and whenever it changes.
    pub fn triggers(&self) -> watch::Receiver<Arc<LiveTriggers>> {
        self.inner.triggers.subscribe()
    }

    async fn stored(&self, slug: &FunctionSlug) -> Result<StoredFunction, ReleaseError> {
        let stored = self.inner.ledger.load(Some(slug)).await?;
        stored.into_iter().next().ok_or_else(|| ReleaseError::NoFunction(slug.clone()))
    }

    /// Boots `version` before anything points to it.
    async fn make_ready(&self, stored: &StoredFunction, version: u64) -> Result<(), ReleaseError> {
        let slug = stored.slug.clone();
        let found =
            stored.version(version).ok_or_else(|| ReleaseError::NoVersion { slug: slug.clone(), version })?;
        self.inner.show(stored, found).await?;
        let target = Target::user(slug.clone()).at_version(version);
        let booted = self.inner.stage.prewarm(&target).await;
        booted.map_err(|source| ReleaseError::Boot { slug, version, source })
    }
}

fn check_shares(stored: &StoredFunction, shares: &[Share]) -> Result<(), ReleaseError> {
    let refused = |why| Err(ReleaseError::Shares(stored.slug.clone(), why));
    if shares.len() > isobase_base::limits::DEPLOY_SHARES_MAX {
        return refused("too many versions");
    }
    if shares.iter().map(|share| u32::from(share.percent)).sum::<u32>() > 100 {
        return refused("they are more than 100 percent together");
    }
    if shares.iter().any(|share| share.percent == 0) {
        return refused("a share is at least 1 percent");
    }
    let mut versions: Vec<_> = shares.iter().map(|share| share.version).collect();
    versions.sort_unstable();
    versions.dedup();
    if versions.len() != shares.len() {
        return refused("a version is named twice");
    }
    if shares.iter().any(|share| Some(share.version) == stored.traffic.live) {
        return refused("the live version takes what the others leave");
    }
    Ok(())
}

impl Invoker for Releases {
    fn access(&self, target: &Target) -> Option<Access> {
        self.inner.router.access(target, &*self.inner.stage)
    }

    fn invoke(
        &self,
        target: Target,
        mut request: Request<Body>,
        context: Context,
    ) -> BoxFuture<'_, Result<Response<Body>, Failure>> {
        let stage = &self.inner.stage;
        match self.inner.router.route(target, &mut request, &context, &**stage) {
            Route::Ready(target) => stage.invoke(target, request, context),
            Route::Asked(target) => Box::pin(async move {
                self.inner.load(&target).await?;
                stage.invoke(target, request, context).await
            }),
            Route::Refused(response) => Box::pin(std::future::ready(Ok(response))),
            Route::Nowhere => {
                let failure = Failure::new(FailureKind::NotFound, "no version of the function is live");
                Box::pin(std::future::ready(Err(failure)))
            }
        }
    }
}

impl From<StoredFunction> for Release {
    fn from(stored: StoredFunction) -> Self {
        Self {
            id: stored.id,
            slug: stored.slug,
            name: stored.name,
            traffic: stored.traffic,
            created_at_ms: stored.created_at_ms,
            updated_at_ms: stored.updated_at_ms,
            versions: stored.versions.iter().map(ReleaseVersion::from).collect(),
        }
    }
}

impl From<&crate::store::StoredVersion> for ReleaseVersion {
    fn from(stored: &crate::store::StoredVersion) -> Self {
        Self {
            version: stored.version,
            manifest: stored.manifest.clone(),
            artifact_sha256: hex(&stored.artifact),
            preview: stored.preview.clone(),
            created_at_ms: stored.created_at_ms,
        }
    }
}

impl Release {
    /// The version that takes what no share takes.
    pub fn live(&self) -> Option<&ReleaseVersion> {
        self.versions.iter().find(|version| Some(version.version) == self.traffic.live)
    }
}
