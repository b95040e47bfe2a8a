//! Modules behind `https:` URLs, as they were fetched.
//!
//! A lock file binds a URL to its hash; bound modules come from the cache wherever they are there. Others
//! are fetched again when what is kept is no longer fresh, and kept words are good enough without a network.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use isobase_base::limits::{PACKAGE_METADATA_FRESH, SOURCE_FILE_BYTES_MAX};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::client::Client;
use crate::error::PackagesError;
use crate::integrity::sha256_hex;
use crate::store::Store;

/// A remote module.
#[derive(Clone, Debug)]
pub struct Remote {
    /// After redirects: what its own imports are relative to.
    pub url: Url,
    pub content_type: Option<String>,
    pub content: Bytes,
    pub(crate) hash: String,
}

/// The first line of a kept module.
#[derive(Serialize, Deserialize)]
struct Head {
    url: Url,
    content_type: Option<String>,
}

/// The module at `url`; `locked` is the hash that it must have.
pub(crate) async fn fetch(
    url: &Url,
    locked: impl Fn(&Url) -> Option<String>,
    client: &Client,
    store: &Store,
) -> Result<Remote, PackagesError> {
    let path = store.file("remote", &sha256_hex(url.as_str().as_bytes()));
    let kept = std::fs::read(&path).ok().and_then(|kept| read(&kept));
    let written = std::fs::metadata(&path).and_then(|file| file.modified()).ok();
    let age = written.and_then(|written| SystemTime::now().duration_since(written).ok());
    let is_fresh = age.is_some_and(|age| age < PACKAGE_METADATA_FRESH);
    if let Some(kept) = &kept {
        let bound = locked(&kept.url);
        if bound.as_ref().map_or(is_fresh, |bound| *bound == kept.hash) {
            return Ok(kept.clone());
        }
    }
    let headers = HeaderMap::from_iter([
        (ACCEPT, HeaderValue::from_static("*/*")),
        // Hosts of modules send each runtime a build of its own; ours runs what Deno's runs.
        (USER_AGENT, HeaderValue::from_static("Deno/2.9.6")),
    ]);
    let fetched = client.get(url, &headers, None, SOURCE_FILE_BYTES_MAX as usize).await;
    let fetched = match (fetched, kept) {
        (Ok(fetched), _) => fetched,
        (Err(problem), Some(kept)) if problem.may_pass() && locked(&kept.url).is_none() => {
            tracing::warn!(%url, %problem, "a module cannot be fetched; what was fetched before counts");
            return Ok(kept);
        }
        (Err(problem), _) => return Err(PackagesError::Remote { url: shown(url), problem }),
    };
    let content_type = fetched.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let hash = sha256_hex(&fetched.body);
    if let Some(expected) = locked(&fetched.url).filter(|expected| *expected != hash) {
        return Err(PackagesError::Integrity { what: shown(url), expected, found: hash });
    }
    let head = Head { url: fetched.url, content_type: content_type.map(str::to_owned) };
    let mut file = serde_json::to_vec(&head).expect("texts are JSON");
    file.push(b'\n');
    file.extend_from_slice(&fetched.body);
    store.write(&path, &file)?;
    Ok(Remote { url: head.url, content_type: head.content_type, content: fetched.body, hash })
}

fn read(kept: &[u8]) -> Option<Remote> {
    let end = kept.iter().position(|&byte| byte == b'\n')?;
    let head: Head = serde_json::from_slice(&kept[..end]).ok()?;
    let content = Bytes::copy_from_slice(&kept[end + 1..]);
    let hash = sha256_hex(&content);
    Some(Remote { url: head.url, content_type: head.content_type, content, hash })
}

/// A URL without what may be secret in it.
fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    _ = shown.set_username("");
    _ = shown.set_password(None);
    shown.into()
}
