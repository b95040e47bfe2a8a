//! From what is asked for to exact versions.

use deno_npm::registry::NpmRegistryPackageInfoLoadError;
use deno_npm::resolution::{
    AddPkgReqsOptions, NpmPackageVersionResolutionError, NpmResolutionError, NpmResolutionSnapshot,
    NpmVersionResolver,
};
use deno_semver::package::PackageReq;

use crate::error::PackagesError;
use crate::packuments::Packuments;

/// Versions named in a fault, the newest.
const SHOWN_VERSIONS: usize = 8;

/// A requirement that cannot be met.
pub(crate) struct Unmet {
    /// Which of those asked for.
    pub(crate) requirement: Option<PackageReq>,
    pub(crate) error: PackagesError,
}

/// Extends `locked` by what of `wanted` is not in it, and leaves out what nobody wants. Asks no registry
/// where all of it is there.
pub(crate) async fn solve(
    locked: NpmResolutionSnapshot,
    wanted: &[PackageReq],
    packuments: &Packuments<'_>,
) -> Result<NpmResolutionSnapshot, Unmet> {
    let known = locked.subset(wanted);
    if wanted.iter().all(|requirement| known.package_reqs().contains_key(requirement)) {
        return Ok(known);
    }
    match add(known.clone(), wanted, packuments).await {
        Ok(snapshot) => Ok(snapshot),
        // What was kept may be older than what is wanted.
        Err(_) if packuments.ask_again() => match add(known.clone(), wanted, packuments).await {
            Ok(snapshot) => Ok(snapshot),
            Err(error) => Err(unmet(known, wanted, packuments, error).await),
        },
        Err(error) => Err(unmet(known, wanted, packuments, error).await),
    }
}

async fn add(
    known: NpmResolutionSnapshot,
    wanted: &[PackageReq],
    packuments: &Packuments<'_>,
) -> Result<NpmResolutionSnapshot, NpmResolutionError> {
    let version_resolver = &NpmVersionResolver::default();
    let options = AddPkgReqsOptions { package_reqs: wanted, version_resolver, should_dedup: true };
    let added = known.add_pkg_reqs(packuments, options, None).await;
    for unmet in &added.unmet_peer_diagnostics {
        tracing::debug!(?unmet, "a package's peer has another version than it asks for");
    }
    added.into_result()
}

/// Says which requirement it was: each is tried alone, with what was fetched already.
async fn unmet(
    known: NpmResolutionSnapshot,
    wanted: &[PackageReq],
    packuments: &Packuments<'_>,
    error: NpmResolutionError,
) -> Unmet {
    for requirement in wanted {
        let one = std::slice::from_ref(requirement);
        if let Err(error) = add(known.clone(), one, packuments).await {
            let error = told(error, requirement, packuments).await;
            return Unmet { requirement: Some(requirement.clone()), error };
        }
    }
    let problem = error.to_string();
    Unmet { requirement: None, error: PackagesError::Unresolvable { wanted: "the packages".into(), problem } }
}

async fn told(
    error: NpmResolutionError,
    requirement: &PackageReq,
    packuments: &Packuments<'_>,
) -> PackagesError {
    match error {
        NpmResolutionError::Registry(NpmRegistryPackageInfoLoadError::PackageNotExists { package_name }) => {
            PackagesError::NoPackage {
                setting: packuments.registries.setting(&package_name),
                name: package_name,
            }
        }
        NpmResolutionError::Registry(NpmRegistryPackageInfoLoadError::LoadError(error)) => {
            packuments.failure().unwrap_or_else(|| PackagesError::Unresolvable {
                wanted: requirement.to_string(),
                problem: error.to_string(),
            })
        }
        NpmResolutionError::Resolution(error) => match &error {
            NpmPackageVersionResolutionError::VersionReqNotMatched { package_name, version_req, .. } => {
                no_version(package_name, version_req.version_text(), packuments).await
            }
            NpmPackageVersionResolutionError::DistTagNotFound { package_name, dist_tag } => {
                no_version(package_name, dist_tag, packuments).await
            }
            NpmPackageVersionResolutionError::VersionNotFound(missing) => {
                no_version(&missing.0.name, &missing.0.version.to_string(), packuments).await
            }
            NpmPackageVersionResolutionError::DistTagVersionNotFound { .. }
            | NpmPackageVersionResolutionError::DistTagVersionTooNew { .. }
            | NpmPackageVersionResolutionError::TrustPolicyDowngrade { .. } => {
                PackagesError::Unresolvable { wanted: requirement.to_string(), problem: error.to_string() }
            }
        },
        NpmResolutionError::DependencyEntry(error) => {
            PackagesError::Unresolvable { wanted: requirement.to_string(), problem: error.to_string() }
        }
    }
}

async fn no_version(name: &str, wanted: &str, packuments: &Packuments<'_>) -> PackagesError {
    let exist = match packuments.get(name).await {
        Ok(info) => {
            let mut versions: Vec<_> = info.versions.keys().collect();
            versions.sort();
            let newest = versions.iter().rev().take(SHOWN_VERSIONS).map(ToString::to_string);
            let newest: Vec<String> = newest.collect();
            let more = if versions.len() > SHOWN_VERSIONS { ", …" } else { "" };
            let mut tags: Vec<&String> = info.dist_tags.keys().collect();
            tags.sort();
            let tags: Vec<&str> = tags.into_iter().map(String::as_str).take(SHOWN_VERSIONS).collect();
            format!("there are {}{more} and the tags {}", newest.join(", "), tags.join(", "))
        }
        Err(_) => "its versions are not known".into(),
    };
    PackagesError::NoVersion { name: name.to_owned(), wanted: wanted.to_owned(), exist }
}
