//! One deploy: compile, boot, store, flip.

use isobase_base::project::InvalidTriggers;
use isobase_base::{Failure, FunctionSlug, Target, hex};
use isobase_packages::{Origin, without_credentials};

use super::{Release, ReleaseError, Releases};
use crate::compile::{Compiled, compile};
use crate::store::{Bundle, Manifest, NewVersion, Reservation, StoreError, digest, encode};
use crate::supply::{HostSupply, Supply};

/// What a client sends of a function.
#[derive(Clone, Debug)]
pub struct Upload {
    pub slug: FunctionSlug,
    pub manifest: Manifest,
    /// Whether the manifest says anything of tokens; where it does not, the live version's word holds.
    pub names_verify_jwt: bool,
    pub bundle: Bundle,
    /// Whether the version answers at once. Otherwise it waits for a flip.
    pub goes_live: bool,
}

/// Why a deploy was refused. The version that was live still is.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// With file, line, column and the chain of imports.
    #[error("{0}")]
    Compile(String),
    /// With the place in the sources where it threw.
    #[error("the function does not start: {}", .0.detail)]
    Boot(Failure),
    /// What is to start it is out of bounds.
    #[error(transparent)]
    Triggers(#[from] InvalidTriggers),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the host is stopping")]
    Stopping,
}

impl From<ReleaseError> for DeployError {
    fn from(error: ReleaseError) -> Self {
        match error {
            ReleaseError::Store(error) => Self::Store(error),
            // The function was stored a moment ago; somebody deleted it since.
            _ => Self::Store(StoreError::Damaged),
        }
    }
}

impl Releases {
    /// Deploys a version: compiles it, boots it once, stores it and, if it goes live, flips to it. On
    /// return the next request to this host is answered by it.
    ///
    /// # Errors
    /// Nothing changes then, except that the version's number is used up.
    pub async fn deploy(&self, upload: Upload) -> Result<(Release, u64), DeployError> {
        let Upload { slug, mut manifest, names_verify_jwt, bundle, goes_live } = upload;
        let inner = &self.inner;
        if let Some(triggers) = &manifest.triggers {
            (inner.config.check_triggers)(&slug, triggers)?;
        }
        let _turn = inner.builds.acquire().await.map_err(|_| DeployError::Stopping)?;
        let Reservation { id, version, verify_jwt } = inner.ledger.reserve(&slug).await?;
        if !names_verify_jwt {
            manifest.verify_jwt = verify_jwt.unwrap_or(true);
        }
        let supply = Supply::Host(HostSupply {
            packages: inner.config.packages.clone(),
            scripts: inner.package_scripts.clone(),
            origin: Origin::Uploaded,
            remembered: self.remembered(&slug).await,
        });
        let (builds, work) = (inner.config.builds_folder.clone(), (bundle, manifest));
        let compiler = inner.config.compiler.clone();
        let compiled = tokio::task::spawn_blocking(move || {
            let (mut bundle, manifest) = work;
            let Compiled { artifact, lock } = compile(&bundle, &manifest, &builds, &supply, compiler)?;
            if let Some(lock) = lock {
                keep_lock(&mut bundle, &manifest, lock);
            }
            drop_credentials(&mut bundle);
            let (encoded, sources) = (encode(&artifact), bundle.encode());
            Ok((artifact, encoded, sources, manifest))
        })
        .await
        .map_err(|_| DeployError::Stopping)?;
        let (artifact, encoded, sources, manifest) =
            compiled.map_err(|fault: crate::fault::SourceFault| DeployError::Compile(fault.to_string()))?;

        let target = Target::user(slug.clone()).at_version(version);
        // Noted first: a notification that is read meanwhile must not publish it once more.
        inner.note_shown(&target, digest(&encoded)).await;
        inner.publish(&target, &id, &manifest, artifact);
        if let Err(failure) = inner.stage.prewarm(&target).await {
            inner.take_back(&target).await;
            return Err(DeployError::Boot(failure));
        }
        let preview = preview_name(&id, version);
        let new = NewVersion {
            id: &id,
            version,
            manifest: &manifest,
            artifact: &encoded,
            sources: &sources,
            preview: &preview,
            goes_live,
        };
        if let Err(error) = inner.ledger.add(new).await {
            inner.take_back(&target).await;
            return Err(error.into());
        }
        inner.apply(&slug).await?;
        let release = self.get(&slug).await?;
        tracing::info!(function = %slug, version, live = goes_live, "function deployed");
        Ok((release, version))
    }
}

impl Releases {
    /// The lock file of the newest version: the next one keeps its packages as long as what it asks for
    /// lets it.
    async fn remembered(&self, slug: &FunctionSlug) -> Option<String> {
        let stored = self.stored(slug).await.ok()?;
        let newest = stored.versions.last()?;
        let sources = self.inner.ledger.content(&newest.sources).await.ok()?;
        let bundle = Bundle::decode(&sources).ok()?;
        let lock = bundle.file(&lock_path(&newest.manifest))?;
        String::from_utf8(lock.content.to_vec()).ok()
    }
}

/// Beside the entrypoint, where Deno would look for it too.
fn lock_path(manifest: &Manifest) -> String {
    match manifest.entrypoint_path.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/deno.lock"),
        None => "deno.lock".to_owned(),
    }
}

/// Stores `lock` among the sources, where they have none of their own.
fn keep_lock(bundle: &mut Bundle, manifest: &Manifest, lock: String) {
    let has_own = bundle.files.iter().any(|file| file.path.ends_with("deno.lock"));
    if !has_own && let Err(error) = bundle.add(&lock_path(manifest), lock.into()) {
        tracing::warn!(%error, "the versions of a function's packages are not remembered");
    }
}

/// What other clients send may have credentials of registries in it. They are used once, and never stored.
fn drop_credentials(bundle: &mut Bundle) {
    for file in bundle.files.iter_mut().filter(|file| file.path.ends_with(".npmrc")) {
        file.content = without_credentials(&String::from_utf8_lossy(&file.content)).into();
    }
}

/// The last segment of a preview URL: nobody can guess the random half of it.
fn preview_name(id: &str, version: u64) -> String {
    let seed = format!("{id}/{version}/{}", isobase_base::RequestId::generate());
    let noise: [u8; 16] = rand::random();
    let name = digest(&[seed.as_bytes(), &noise].concat());
    format!("{}{}", super::router::PREVIEW, hex(&name[..12]))
}
