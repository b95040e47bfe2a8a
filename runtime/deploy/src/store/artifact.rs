//! What an engine loads, as bytes with a name.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use isobase_engine::{Artifact, Module, Reuse};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// SHA-256 of an artifact's bytes: its name.
pub(crate) type Digest = [u8; 32];

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// A component begins with this; everything else is JSON.
const WASM_MAGIC: &[u8] = b"\0asm";

#[derive(Serialize, Deserialize)]
struct StoredModule {
    specifier: String,
    code: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_map: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    imports: BTreeMap<String, String>,
}

/// The same artifact gives the same bytes.
pub(crate) fn encode(artifact: &Artifact) -> Bytes {
    let modules = match artifact {
        Artifact::Component { bytes, .. } => return bytes.clone(),
        Artifact::Modules(modules) => modules,
    };
    let stored: Vec<_> = modules
        .iter()
        .map(|module| StoredModule {
            specifier: module.specifier.clone(),
            code: Arc::clone(&module.code),
            source_map: module.source_map.as_deref().map(|map| String::from_utf8_lossy(map).into_owned()),
            imports: module.imports.clone(),
        })
        .collect();
    serde_json::to_vec(&stored).expect("texts are JSON").into()
}

/// `None` for bytes that this version did not write.
pub(crate) fn decode(bytes: Bytes) -> Option<Artifact> {
    if bytes.starts_with(WASM_MAGIC) {
        return Some(Artifact::Component { bytes, reuse: Reuse::Fresh });
    }
    let stored: Vec<StoredModule> = serde_json::from_slice(&bytes).ok()?;
    let modules = stored.into_iter().map(|module| Module {
        specifier: module.specifier,
        code: module.code,
        source_map: module.source_map.map(|map| map.into_bytes().into()),
        imports: module.imports,
    });
    Some(Artifact::Modules(modules.collect()))
}
