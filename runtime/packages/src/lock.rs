//! Lock files, in Deno's form (`deno.lock`): which versions were chosen, and the hashes of everything.

use deno_lockfile::{
    Lockfile, NewLockfileOptions, NpmPackageDependencyLockfileInfo, NpmPackageInfoProvider,
    NpmPackageLockfileInfo,
};
use deno_npm::NpmResolutionPackage;
use deno_npm::resolution::{
    DefaultTarballUrlProvider as _, NpmResolutionSnapshot, SnapshotFromLockfileParams, snapshot_from_lockfile,
};
use deno_semver::StackString;
use deno_semver::jsr::JsrDepPackageReq;
use deno_semver::package::PackageReq;

use crate::error::PackagesError;
use crate::registries::Registries;

/// A lock file as it was found.
#[derive(Clone, Debug)]
pub struct LockFile {
    /// As shown to people.
    pub shown: String,
    pub text: String,
}

/// What a build is bound to.
pub(crate) struct Lock {
    shown: String,
    file: Lockfile,
}

impl Lock {
    /// Bound to nothing.
    pub(crate) fn empty() -> Self {
        Self { shown: "deno.lock".into(), file: Lockfile::new_empty("deno.lock".into(), true) }
    }

    /// Older forms need words of the registry.
    pub(crate) async fn read(
        found: &LockFile,
        registry: &dyn NpmPackageInfoProvider,
    ) -> Result<Self, PackagesError> {
        let options =
            NewLockfileOptions { file_path: "deno.lock".into(), content: &found.text, overwrite: false };
        let file = Lockfile::new(options, registry).await;
        let file = file.map_err(|error| unreadable(&found.shown, &error.source))?;
        Ok(Self { shown: found.shown.clone(), file })
    }

    /// The packages it names.
    pub(crate) fn snapshot(&self, registries: &Registries) -> Result<NpmResolutionSnapshot, PackagesError> {
        let parameters = SnapshotFromLockfileParams {
            link_packages: &Default::default(),
            lockfile: &self.file,
            default_tarball_url: registries,
            dedup_equivalent_peer_variants: true,
        };
        let snapshot = snapshot_from_lockfile(parameters).map_err(|error| unreadable(&self.shown, &error))?;
        Ok(NpmResolutionSnapshot::new(snapshot))
    }

    /// SHA-256 of the remote module at `url`.
    pub(crate) fn remote(&self, url: &str) -> Option<&str> {
        self.file.remote().get(url).map(String::as_str)
    }

    /// A lock file for exactly `snapshot` and the remote modules.
    pub(crate) fn written(
        snapshot: &NpmResolutionSnapshot,
        remote: impl Iterator<Item = (String, String)>,
        redirects: impl Iterator<Item = (String, String)>,
        registries: &Registries,
    ) -> String {
        let mut file = Self::empty().file;
        for (requirement, chosen) in snapshot.package_reqs() {
            let Ok(package) = snapshot.resolve_package_from_deno_module(chosen) else { continue };
            let id = package.id.as_serialized();
            let version = id.get(chosen.name.len() + 1..).unwrap_or_default();
            file.insert_package_specifier(npm(requirement), version.into());
        }
        for package in snapshot.all_packages_for_every_system() {
            file.insert_npm_package(locked(package, registries));
        }
        remote.for_each(|(url, hash)| file.insert_remote(url, hash));
        redirects.for_each(|(from, to)| file.insert_redirect(from, to));
        file.as_json_string()
    }
}

fn npm(requirement: &PackageReq) -> JsrDepPackageReq {
    JsrDepPackageReq::npm(requirement.clone())
}

fn locked(package: &NpmResolutionPackage, registries: &Registries) -> NpmPackageLockfileInfo {
    let dependency = |name: &StackString| {
        let id = package.dependencies.get(name)?.as_serialized();
        Some(NpmPackageDependencyLockfileInfo { name: name.clone(), id })
    };
    let is_optional = |name: &&StackString| package.optional_dependencies.contains(*name);
    let dist = package.dist.as_ref();
    let usual = registries.default_tarball_url(&package.id.nv);
    NpmPackageLockfileInfo {
        serialized_id: package.id.as_serialized(),
        integrity: dist.and_then(|dist| Some(dist.integrity().for_lockfile()?.into_owned())),
        dependencies: {
            let needed = package.dependencies.keys().filter(|name| !is_optional(name));
            needed.filter_map(dependency).collect()
        },
        optional_dependencies: package.optional_dependencies.iter().filter_map(dependency).collect(),
        optional_peers: package.optional_peer_dependencies.iter().filter_map(dependency).collect(),
        os: package.system.os.clone(),
        cpu: package.system.cpu.clone(),
        tarball: dist.filter(|dist| dist.tarball != usual).map(|dist| StackString::from_str(&dist.tarball)),
        deprecated: package.is_deprecated,
        scripts: package.has_scripts,
        bin: package.has_bin,
    }
}

fn unreadable(file: &str, problem: &dyn std::fmt::Display) -> PackagesError {
    PackagesError::Lock { file: file.to_owned(), problem: problem.to_string() }
}
