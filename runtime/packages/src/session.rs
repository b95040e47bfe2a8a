//! One build's dealings with registries.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use deno_npm::NpmResolutionPackage;
use deno_npm::resolution::NpmResolutionSnapshot;
use deno_semver::npm::NpmPackageReqReference;
use deno_semver::package::PackageReq;
use isobase_base::limits::PACKAGES_MAX;
use isobase_base::project::Variables;
use isobase_http::Network;
use tokio::runtime::Handle;
use url::Url;

use crate::client::Client;
use crate::error::PackagesError;
use crate::fetch::fetch_all;
use crate::installed::Installed;
use crate::lock::{Lock, LockFile};
use crate::packuments::Packuments;
use crate::registries::{HostSettings, Origin, Registries, SettingsFile, roots};
use crate::remote::{self, Remote};
use crate::solve::{Unmet, solve};
use crate::store::Store;

/// How a host has packages.
pub struct PackagesConfig {
    /// What was fetched is kept here. Hosts may share it.
    pub cache_folder: PathBuf,
    /// The host's own, for `NPM_CONFIG_…` and the like.
    pub variables: Variables,
    /// The rule for addresses that come out of sources.
    pub network: Network,
}

/// A host's packages. Cheap to clone.
#[derive(Clone)]
pub struct Packages {
    inner: Arc<Inner>,
}

struct Inner {
    settings: HostSettings,
    client: Arc<Client>,
    store: Store,
    runtime: Handle,
}

/// One build. Its calls block: it lives on a thread for blocking work.
pub struct Session {
    packages: Packages,
    registries: Registries,
    lock: Lock,
    solution: NpmResolutionSnapshot,
    /// Hashes of remote modules by URL, and where others redirect to.
    remote: BTreeMap<String, String>,
    redirects: BTreeMap<String, String>,
}

/// What a specifier of `npm:` or `jsr:` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// `name@range`, in one form for all ways to write it.
    pub requirement: String,
    pub subpath: Option<String>,
}

/// What could not be installed.
#[derive(Clone, Debug)]
pub struct InstallError {
    /// Which of the requirements, where it is known.
    pub requirement: Option<String>,
    pub error: PackagesError,
}

impl From<PackagesError> for InstallError {
    fn from(error: PackagesError) -> Self {
        Self { requirement: None, error }
    }
}

/// Reads `npm:name@range/path`.
pub fn reference(specifier: &str) -> Result<Reference, String> {
    let parsed = NpmPackageReqReference::from_str(specifier).map_err(|error| error.to_string())?;
    let subpath = parsed.sub_path().filter(|path| !path.is_empty()).map(str::to_owned);
    Ok(Reference { requirement: parsed.req().to_string(), subpath })
}

impl Packages {
    /// Must be called inside a tokio runtime.
    pub fn new(config: PackagesConfig) -> Self {
        let settings = HostSettings::read(&config.variables);
        let certificate_files = settings.certificate_files.clone();
        let client = Client::new(config.network, move || roots(&certificate_files), settings.trusted());
        let store = Store::new(&config.cache_folder.join("packages"));
        let inner = Inner { settings, client: Arc::new(client), store, runtime: Handle::current() };
        Self { inner: Arc::new(inner) }
    }

    /// A build of sources with these `.npmrc` files, the nearest to the function first. Blocking.
    pub fn session(
        &self,
        settings: &[SettingsFile],
        origin: Origin,
        lock: Option<&LockFile>,
    ) -> Result<Session, PackagesError> {
        let inner = &self.inner;
        let registries = inner.settings.resolve(settings, origin)?;
        let lock = match lock {
            Some(found) => {
                let packuments = Packuments::new(&inner.client, &registries, &inner.store);
                inner.runtime.block_on(Lock::read(found, &packuments))?
            }
            None => Lock::empty(),
        };
        let solution = lock.snapshot(&registries)?;
        let (remote, redirects) = Default::default();
        Ok(Session { packages: self.clone(), registries, lock, solution, remote, redirects })
    }
}

impl Session {
    /// Whether packages of JSR have a registry; no public one is named here.
    pub fn has_jsr(&self) -> bool {
        self.registries.has_jsr()
    }

    /// The module at `url`, `http:` or `https:`.
    pub fn remote(&mut self, url: &Url) -> Result<Remote, PackagesError> {
        let inner = &self.packages.inner;
        let locked = |url: &Url| self.lock.remote(url.as_str()).map(str::to_owned);
        let found = inner.runtime.block_on(remote::fetch(url, locked, &inner.client, &inner.store))?;
        self.remote.insert(found.url.to_string(), found.hash.clone());
        if found.url != *url {
            self.redirects.insert(url.to_string(), found.url.to_string());
        }
        Ok(found)
    }

    /// Every package that `requirements` (`name@range`) need, unpacked.
    pub fn install(&mut self, requirements: &[String]) -> Result<Installed, InstallError> {
        let parse = |text: &String| {
            PackageReq::from_str(text).map_err(|error| InstallError {
                requirement: Some(text.clone()),
                error: PackagesError::Unresolvable { wanted: text.clone(), problem: error.to_string() },
            })
        };
        let unique: BTreeSet<&String> = requirements.iter().collect();
        let wanted: Vec<PackageReq> = unique.into_iter().map(parse).collect::<Result<_, _>>()?;
        let inner = Arc::clone(&self.packages.inner);
        let packuments = Packuments::new(&inner.client, &self.registries, &inner.store);
        let locked = std::mem::take(&mut self.solution);
        let solved = inner.runtime.block_on(solve(locked, &wanted, &packuments));
        self.solution = solved.map_err(|Unmet { requirement, error }| InstallError {
            requirement: requirement.map(|requirement| requirement.to_string()),
            error,
        })?;
        let packages = present(&self.solution);
        if packages.len() > PACKAGES_MAX {
            return Err(PackagesError::TooMany(PACKAGES_MAX).into());
        }
        let fetched = fetch_all(&packages, &inner.client, &self.registries, &inner.store);
        let folders = inner.runtime.block_on(fetched)?;
        let present = packages.iter().map(|package| package.id.clone()).zip(folders).collect();
        Ok(Installed::new(&self.solution, &wanted, present))
    }

    /// A lock file that binds another build to what this one used; `None` where it used nothing.
    pub fn lock(&self) -> Option<String> {
        if self.solution.is_empty() && self.remote.is_empty() {
            return None;
        }
        let remote = self.remote.clone().into_iter();
        let redirects = self.redirects.clone().into_iter();
        Some(Lock::written(&self.solution, remote, redirects, &self.registries))
    }
}

/// Packages that are fetched: all but those made for one kind of machine, which hold programs and addons
/// that no isolate runs, and those that only such packages need.
fn present(solution: &NpmResolutionSnapshot) -> Vec<&NpmResolutionPackage> {
    let is_portable =
        |package: &NpmResolutionPackage| package.system.os.is_empty() && package.system.cpu.is_empty();
    let mut found = HashMap::new();
    let mut queue: Vec<_> = solution.top_level_packages().collect();
    while let Some(id) = queue.pop() {
        let Some(package) = solution.package_from_id(id) else { continue };
        let portable = is_portable(package) || solution.top_level_packages().any(|top| top == id);
        if portable && found.insert(&package.id, package).is_none() {
            queue.extend(package.dependencies.values());
        }
    }
    let mut packages: Vec<_> = found.into_values().collect();
    packages.sort_by(|one, two| one.id.cmp(&two.id));
    packages
}
