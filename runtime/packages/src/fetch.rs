//! Has every package of a solution unpacked in the store, fetching what is not there.

use std::path::PathBuf;
use std::sync::Arc;

use deno_npm::NpmResolutionPackage;
use futures::StreamExt as _;
use http::HeaderMap;
use isobase_base::limits::{PACKAGE_ARCHIVE_BYTES_MAX, PACKAGE_FETCHES_MAX};
use url::Url;

use crate::client::Client;
use crate::error::{FetchError, PackagesError};
use crate::integrity::Integrity;
use crate::registries::Registries;
use crate::store::Store;

/// The folders of `packages`, in their order.
pub(crate) async fn fetch_all(
    packages: &[&NpmResolutionPackage],
    client: &Arc<Client>,
    registries: &Registries,
    store: &Store,
) -> Result<Vec<PathBuf>, PackagesError> {
    let fetches = packages.iter().map(|package| fetch(package, client, registries, store));
    let mut fetches = futures::stream::iter(fetches).buffered(PACKAGE_FETCHES_MAX);
    let mut folders = Vec::with_capacity(packages.len());
    while let Some(folder) = fetches.next().await {
        folders.push(folder?);
    }
    Ok(folders)
}

async fn fetch(
    package: &NpmResolutionPackage,
    client: &Client,
    registries: &Registries,
    store: &Store,
) -> Result<PathBuf, PackagesError> {
    let name = package.id.nv.to_string();
    let dist = package.dist.as_ref().ok_or_else(|| PackagesError::NoIntegrity(name.clone()))?;
    let integrity = Integrity::of(dist).ok_or_else(|| PackagesError::NoIntegrity(name.clone()))?;
    let place = store.place(&integrity);
    if place.is_dir() {
        return Ok(place);
    }
    let failed = |problem| PackagesError::Registry {
        what: name.clone(),
        setting: registries.setting(&package.id.nv.name),
        problem,
    };
    let url = Url::parse(&dist.tarball);
    let url = url.map_err(|_| failed(FetchError::Malformed("its archive has no URL".into())))?;
    let (url, credentials) = registries.archive(url, &package.id.nv.name);
    let headers = HeaderMap::new();
    let fetched = client.get(&url, &headers, credentials.as_ref(), PACKAGE_ARCHIVE_BYTES_MAX);
    let archive = fetched.await.map_err(failed)?.body;
    let store = store.clone();
    let unpacked = tokio::task::spawn_blocking(move || {
        let found = integrity.of_content(&archive);
        if found != integrity {
            let (expected, found) = (integrity.to_string(), found.to_string());
            return Err(PackagesError::Integrity { what: name, expected, found });
        }
        store.add(&name, &integrity, &archive)
    });
    unpacked.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
