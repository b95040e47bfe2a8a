//! Bringing the pool and the table of routes to what the database says.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use isobase_base::limits::{DEPLOY_BUILDS_MAX, DEPLOY_LINGER, DEPLOY_SYNC_RETRY};
use isobase_base::task::{self, TaskKind};
use isobase_base::{Access, Failure, FailureKind, FunctionSlug, Target};
use isobase_engine::{Artifact, Publication, Publish, Stage};
use tokio::sync::{Semaphore, watch};

use super::router::{Line, PREVIEW, Preview, Router, Table};
use super::{Inner, Releases, ReleasesConfig};
use crate::function::Ready;
use crate::package_script::PackageScripts;
use crate::store::{Digest, Ledger, Manifest, StoreError, StoredFunction, StoredVersion, decode};

/// What the pool was told of.
#[derive(Default)]
pub(super) struct Shown {
    versions: HashMap<Target, ShownVersion>,
}

struct ShownVersion {
    artifact: Digest,
    /// Since when nothing points to it.
    unused_since: Option<Instant>,
}

impl Releases {
    /// `publish` leads to `stage`. Loads the functions that have live versions, boots none of them, and follows changes from now
    /// on. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn open(
        config: ReleasesConfig,
        stage: Arc<dyn Stage>,
        publish: Arc<dyn Publish>,
    ) -> Result<Self, StoreError> {
        let inner = Arc::new(Inner {
            ledger: Ledger::new(config.sessions.clone()),
            router: Router::new(config.precedence),
            stage,
            publish,
            triggers: watch::Sender::default(),
            shown: tokio::sync::Mutex::default(),
            builds: Semaphore::new(DEPLOY_BUILDS_MAX),
            package_scripts: PackageScripts::new(config.compiler.clone()),
            config,
        });
        inner.follow_all(Boots::AtFirstRequest).await?;
        if let Some(wake) = inner.config.wake.clone() {
            let follower = Arc::downgrade(&inner);
            task::spawn(TaskKind::Service, "deployed functions", async move {
                let mut wake = wake;
                while wake.changed().await.is_ok() {
                    let Some(inner) = follower.upgrade() else { return };
                    if let Err(error) = inner.follow_all(Boots::BeforeTheFlip).await {
                        tracing::warn!(%error, "deployed functions stay as they were; looking again");
                        tokio::time::sleep(DEPLOY_SYNC_RETRY).await;
                        wake.mark_changed();
                    }
                }
            });
        }
        Ok(Self { inner })
    }
}

/// When a version that becomes live is booted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Boots {
    BeforeTheFlip,
    AtFirstRequest,
}

impl Inner {
    /// Applies what the database says of one function.
    pub(super) async fn apply(&self, slug: &FunctionSlug) -> Result<(), StoreError> {
        let mut shown = self.shown.lock().await;
        // Read under the lock: of two changes, the later reading is applied later.
        let stored = self.ledger.load(Some(slug)).await?;
        let mut table = Table::clone(&self.router.table());
        table.previews.retain(|_, preview| preview.target.slug() != slug);
        let known = table.deployed.remove(slug);
        if let Some(function) = stored.first() {
            self.show_answering(&mut shown, function, Boots::AtFirstRequest).await?;
            add(&mut table, function, known.as_deref());
        }
        self.route_by(table);
        self.retire(&mut shown);
        Ok(())
    }

    /// Applies all of it.
    async fn follow_all(&self, boots: Boots) -> Result<(), StoreError> {
        let mut shown = self.shown.lock().await;
        let stored = self.ledger.load(None).await?;
        let before = self.router.table();
        let mut table = Table::default();
        for function in &stored {
            // One function that cannot be loaded must not hold up the others.
            let known = before.deployed.get(&function.slug);
            if let Err(error) = self.show_answering(&mut shown, function, boots).await {
                tracing::error!(function = %function.slug, %error, "a deployed function cannot be loaded");
                table.deployed.extend(known.map(|line| (function.slug.clone(), Arc::clone(line))));
                continue;
            }
            add(&mut table, function, known.map(|line| &**line));
        }
        self.route_by(table);
        self.retire(&mut shown);
        Ok(())
    }

    fn route_by(&self, table: Table) {
        let triggers = table.triggers();
        self.router.store(table);
        self.triggers.send_if_modified(|known| {
            let has_changed = **known != triggers;
            if has_changed {
                *known = Arc::new(triggers);
            }
            has_changed
        });
    }

    /// Makes the versions that answer known to the pool.
    async fn show_answering(
        &self,
        shown: &mut Shown,
        function: &StoredFunction,
        boots: Boots,
    ) -> Result<(), StoreError> {
        let answering: BTreeSet<_> = function.traffic.versions().collect();
        for version in function.versions.iter().filter(|version| answering.contains(&version.version)) {
            let is_new = self.show_locked(shown, function, version).await?;
            if is_new && boots == Boots::BeforeTheFlip {
                let target = Target::user(function.slug.clone()).at_version(version.version);
                if let Err(failure) = self.stage.prewarm(&target).await {
                    tracing::error!(function = %function.slug, version = version.version, %failure, "a version that another host booted does not start here");
                }
            }
        }
        Ok(())
    }

    /// Makes one version known to the pool.
    pub(super) async fn show(
        &self,
        function: &StoredFunction,
        version: &StoredVersion,
    ) -> Result<(), StoreError> {
        let mut shown = self.shown.lock().await;
        self.show_locked(&mut shown, function, version).await.map(drop)
    }

    /// True if the pool had not been told.
    async fn show_locked(
        &self,
        shown: &mut Shown,
        function: &StoredFunction,
        version: &StoredVersion,
    ) -> Result<bool, StoreError> {
        let target = Target::user(function.slug.clone()).at_version(version.version);
        if let Some(known) = shown.versions.get_mut(&target)
            && known.artifact == version.artifact
        {
            known.unused_since = None;
            return Ok(false);
        }
        let content = self.ledger.content(&version.artifact).await?;
        let artifact = decode(content).ok_or(StoreError::Damaged)?;
        self.publish(&target, &function.id, &version.manifest, artifact);
        shown.versions.insert(target, ShownVersion { artifact: version.artifact, unused_since: None });
        Ok(true)
    }

    /// Remembers that the pool knows a version already.
    pub(super) async fn note_shown(&self, target: &Target, artifact: Digest) {
        let version = ShownVersion { artifact, unused_since: None };
        self.shown.lock().await.versions.insert(target.clone(), version);
    }

    /// Takes a version from the pool that came to nothing.
    pub(super) async fn take_back(&self, target: &Target) {
        self.shown.lock().await.versions.remove(target);
        self.publish.withdraw(target);
    }

    /// Makes a version known that a request asked for by number or preview.
    pub(super) async fn load(&self, target: &Target) -> Result<(), Failure> {
        if self.stage.access(target).is_some() {
            return Ok(());
        }
        let missing = || Failure::new(FailureKind::NotFound, format!("there is no such version of {target}"));
        let failed = |error: StoreError| Failure::new(FailureKind::Host, error.to_string());
        let stored = self.ledger.load(Some(target.slug())).await.map_err(failed)?;
        let function = stored.first().ok_or_else(missing)?;
        let version = target.version().and_then(|version| function.version(version)).ok_or_else(missing)?;
        self.show(function, version).await.map_err(failed)
    }

    /// Hands a version to the pool.
    pub(super) fn publish(&self, target: &Target, id: &str, manifest: &Manifest, artifact: Artifact) {
        let settings = manifest.settings();
        let version = target.version().unwrap_or_default();
        let mut environment = self.config.environment.clone();
        let deployment = format!("{}_{id}_{version}", self.config.project_ref);
        environment.insert("DENO_DEPLOYMENT_ID".into(), deployment);
        let ready = Ready::new(artifact, &settings, &self.config.limits, &BTreeMap::new(), &environment);
        let function = Ok(ready.function(target.clone(), version));
        let access = Access { verify_jwt: manifest.verify_jwt };
        self.publish.publish(Publication { target: target.clone(), access, function });
    }

    /// Takes versions from the pool that nothing has pointed to for a while. Those that were live a
    /// moment ago stay: requests are on their way to them, and a rollback is likely.
    fn retire(&self, shown: &mut Shown) {
        let table = self.router.table();
        let mut used: HashSet<Target> = HashSet::new();
        for line in table.deployed.values() {
            let kept = line.traffic.versions().chain(line.traffic.previous);
            used.extend(kept.map(|version| line.target.at_version(version)));
        }
        let now = Instant::now();
        shown.versions.retain(|target, version| {
            if used.contains(target) {
                version.unused_since = None;
                return true;
            }
            let since = *version.unused_since.get_or_insert(now);
            let is_kept = now.duration_since(since) < DEPLOY_LINGER;
            if !is_kept {
                self.publish.withdraw(target);
            }
            is_kept
        });
    }
}

/// Adds a function to the table, going on from what was `known` of it.
fn add(table: &mut Table, function: &StoredFunction, known: Option<&Line>) {
    let access_of = |version: &StoredVersion| Access { verify_jwt: version.manifest.verify_jwt };
    let target = Target::user(function.slug.clone());
    for version in &function.versions {
        debug_assert!(version.preview.starts_with(PREVIEW), "as it was made");
        if let Ok(name) = FunctionSlug::parse(&version.preview) {
            let target = target.at_version(version.version);
            table.previews.insert(name, Preview { target, access: access_of(version) });
        }
    }
    let Some(live) = function.traffic.live.and_then(|version| function.version(version)) else { return };
    let line = Line {
        access: access_of(live),
        traffic: function.traffic.clone(),
        turn: known.map(|known| Arc::clone(&known.turn)).unwrap_or_default(),
        versions: function.versions.iter().map(|version| version.version).collect(),
        triggers: live.manifest.triggers.clone().map(Arc::new),
        target,
    };
    table.deployed.insert(function.slug.clone(), Arc::new(line));
}
