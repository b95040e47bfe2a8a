//! What registries say of packages: their versions, and what these depend on.
//!
//! Registries are asked for the short form of a packument, and many send the long one, megabytes without
//! an `ETag`. So what comes is read lazily, written down without what resolving does not need, and
//! believed for a while; older words are taken only when the registry cannot be reached.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::Read as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use deno_error::JsErrorBox;
use deno_lockfile::{Lockfile5NpmInfo, NpmPackageInfoProvider};
use deno_npm::registry::{NpmPackageInfo, NpmRegistryApi, NpmRegistryPackageInfoLoadError};
use deno_semver::package::PackageNv;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderValue};
use isobase_base::limits::{
    PACKAGE_FETCHES_MAX, PACKAGE_METADATA_BYTES_MAX, PACKAGE_METADATA_FRESH, PACKAGES_MAX,
};
use tokio::sync::{OnceCell, Semaphore};

use crate::client::Client;
use crate::error::{FetchError, PackagesError};
use crate::integrity::sha256_hex;
use crate::registries::Registries;
use crate::store::Store;

/// npm's name for the short form, with what else will do.
const SHORT_FORM: &str = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*";

type Loaded = Rc<OnceCell<Result<Arc<NpmPackageInfo>, PackagesError>>>;

/// The packuments of one build; each is looked at once.
pub(crate) struct Packuments<'a> {
    pub(crate) client: &'a Client,
    pub(crate) registries: &'a Registries,
    pub(crate) store: &'a Store,
    loaded: RefCell<HashMap<String, Loaded>>,
    turns: Semaphore,
    /// Whether what is kept counts as old.
    forced: Cell<bool>,
    /// Whether anything kept was believed without asking.
    believed: Cell<bool>,
}

impl<'a> Packuments<'a> {
    pub(crate) fn new(client: &'a Client, registries: &'a Registries, store: &'a Store) -> Self {
        Self {
            client,
            registries,
            store,
            loaded: RefCell::default(),
            turns: Semaphore::new(PACKAGE_FETCHES_MAX),
            forced: Cell::new(false),
            believed: Cell::new(false),
        }
    }

    /// From now on registries are asked. `false` where they were asked already.
    pub(crate) fn ask_again(&self) -> bool {
        let worth_it = self.believed.get() && !self.forced.replace(true);
        if worth_it {
            self.loaded.borrow_mut().clear();
        }
        worth_it
    }

    /// What went wrong with one of the packages.
    pub(crate) fn failure(&self) -> Option<PackagesError> {
        let loaded = self.loaded.borrow();
        let mut failures: Vec<_> = loaded
            .iter()
            .filter_map(|(name, loaded)| Some((name, loaded.get()?.as_ref().err()?.clone())))
            .collect();
        failures.sort_by_key(|(name, _)| (*name).clone());
        failures.into_iter().next().map(|(_, failure)| failure)
    }

    pub(crate) async fn get(&self, name: &str) -> Result<Arc<NpmPackageInfo>, PackagesError> {
        let cell = {
            let mut loaded = self.loaded.borrow_mut();
            if loaded.len() > PACKAGES_MAX {
                return Err(PackagesError::TooMany(PACKAGES_MAX));
            }
            Rc::clone(loaded.entry(name.to_owned()).or_default())
        };
        cell.get_or_init(|| self.load(name)).await.clone()
    }

    async fn load(&self, name: &str) -> Result<Arc<NpmPackageInfo>, PackagesError> {
        let key = sha256_hex(format!("{} {name}", self.registries.url(name)).as_bytes());
        let path = self.store.file("packuments", &key);
        let kept =
            || std::fs::read(&path).ok().and_then(|kept| NpmPackageInfo::from_packument_bytes(kept).ok());
        let age = std::fs::metadata(&path).and_then(|file| file.modified()).ok();
        let age = age.and_then(|written| SystemTime::now().duration_since(written).ok());
        if !self.forced.get()
            && age.is_some_and(|age| age < PACKAGE_METADATA_FRESH)
            && let Some(kept) = kept()
        {
            self.believed.set(true);
            return Ok(Arc::new(kept));
        }
        match self.fetch(name).await {
            Ok(info) => {
                let slim = serde_json::to_vec(&*info).expect("what was JSON is JSON");
                self.store.write(&path, &slim)?;
                Ok(info)
            }
            Err(PackagesError::Registry { problem, what, setting }) if problem.may_pass() => {
                let kept = kept().ok_or_else(|| PackagesError::Registry {
                    problem: problem.clone(),
                    what,
                    setting: setting.clone(),
                })?;
                tracing::warn!(package = name, %problem, "the registry of {setting} cannot be asked; its last word counts");
                Ok(Arc::new(kept))
            }
            Err(error) => Err(error),
        }
    }

    async fn fetch(&self, name: &str) -> Result<Arc<NpmPackageInfo>, PackagesError> {
        let setting = self.registries.setting(name);
        let failed =
            |problem| PackagesError::Registry { what: name.to_owned(), setting: setting.clone(), problem };
        let url = self.registries.url(name).join(&name.replace('/', "%2f"));
        let url = url.map_err(|_| failed(FetchError::Malformed("its URL is none".into())))?;
        let _turn = self.turns.acquire().await;
        let headers = HeaderMap::from_iter([
            (ACCEPT, HeaderValue::from_static(SHORT_FORM)),
            (ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
        ]);
        let credentials = self.registries.credentials(name);
        let fetched = self.client.get(&url, &headers, credentials.as_ref(), PACKAGE_METADATA_BYTES_MAX).await;
        let fetched = match fetched {
            Err(FetchError::Status(404 | 405)) => {
                return Err(PackagesError::NoPackage { name: name.to_owned(), setting });
            }
            fetched => fetched.map_err(&failed)?,
        };
        let encoded = fetched.headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip");
        let text = if encoded { plain(&fetched.body).map_err(&failed)? } else { fetched.body.to_vec() };
        let info = NpmPackageInfo::from_packument_bytes(text)
            .map_err(|problem| failed(FetchError::Malformed(problem)))?;
        if info.name != name {
            return Err(failed(FetchError::Malformed(format!("it speaks of {}", info.name))));
        }
        Ok(Arc::new(info))
    }
}

fn plain(body: &[u8]) -> Result<Vec<u8>, FetchError> {
    let mut text = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(body).take(PACKAGE_METADATA_BYTES_MAX as u64 + 1);
    reader.read_to_end(&mut text).map_err(|error| FetchError::Malformed(error.to_string()))?;
    if text.len() > PACKAGE_METADATA_BYTES_MAX {
        return Err(FetchError::TooLarge(PACKAGE_METADATA_BYTES_MAX));
    }
    Ok(text)
}

#[async_trait(?Send)]
impl NpmRegistryApi for Packuments<'_> {
    async fn package_info(&self, name: &str) -> Result<Arc<NpmPackageInfo>, NpmRegistryPackageInfoLoadError> {
        self.get(name).await.map_err(|error| match error {
            PackagesError::NoPackage { name, .. } => {
                NpmRegistryPackageInfoLoadError::PackageNotExists { package_name: name }
            }
            error => {
                NpmRegistryPackageInfoLoadError::LoadError(Arc::new(JsErrorBox::generic(error.to_string())))
            }
        })
    }
}

/// Lock files of older forms do not tell everything.
#[async_trait(?Send)]
impl NpmPackageInfoProvider for Packuments<'_> {
    async fn get_npm_package_info(
        &self,
        packages: &[PackageNv],
    ) -> Result<Vec<Lockfile5NpmInfo>, Box<dyn std::error::Error + Send + Sync>> {
        let asked = packages.iter().map(|package| self.locked(package));
        futures::future::try_join_all(asked).await.map_err(Into::into)
    }
}

impl Packuments<'_> {
    async fn locked(&self, package: &PackageNv) -> Result<Lockfile5NpmInfo, PackagesError> {
        let info = self.get(&package.name).await?;
        let version = info.versions.get(&package.version).ok_or_else(|| PackagesError::NoVersion {
            name: package.name.to_string(),
            wanted: package.version.to_string(),
            exist: "the lock file names it".into(),
        })?;
        let text = |map: &HashMap<_, _>| {
            map.iter()
                .map(|(name, range): (&deno_semver::StackString, &deno_semver::StackString)| {
                    (name.to_string(), range.to_string())
                })
                .collect()
        };
        let optional = |name: &deno_semver::StackString| {
            version.peer_dependencies_meta.get(name).is_some_and(|meta| meta.optional)
        };
        let peers = version.peer_dependencies.iter().filter(|(name, _)| optional(name));
        Ok(Lockfile5NpmInfo {
            tarball_url: version.dist.as_ref().map(|dist| dist.tarball.clone()),
            optional_dependencies: text(&version.optional_dependencies),
            cpu: version.cpu.iter().map(ToString::to_string).collect(),
            os: version.os.iter().map(ToString::to_string).collect(),
            deprecated: version.deprecated.is_some(),
            bin: version.bin.is_some(),
            scripts: version.has_install_script.unwrap_or(false),
            optional_peers: peers.map(|(name, range)| (name.to_string(), range.to_string())).collect(),
        })
    }
}
