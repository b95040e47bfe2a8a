//! Compiled code on disk, so that a host that starts again does not compile again.
//!
//! A file is called `<key>-<digest>.cwasm`. The key is of the component's bytes and of everything
//! that the compiled form depends on: wasmtime's version, its settings, the processor's features.
//! The digest is of the file itself: a file that was cut off or changed is found out before it is
//! mapped, and compiled anew.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use isobase_base::{hex, limits};
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

const EXTENSION: &str = "cwasm";

/// A folder of compiled components; none is kept where there is no folder.
#[derive(Clone)]
pub(crate) struct CodeCache {
    folder: Option<PathBuf>,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CacheError {
    #[error(
        "the folder for compiled functions, {}, can be written to by others; run `chmod 700` on it, or choose one of your own",
        folder.display()
    )]
    Open { folder: PathBuf },
}

impl CodeCache {
    /// Makes the folder where there is none; where that cannot be done, nothing is kept. Code in it is run
    /// as it is, so nobody else may be able to write there.
    pub(crate) fn open(folder: Option<PathBuf>) -> Result<Self, CacheError> {
        let Some(folder) = folder else { return Ok(Self { folder: None }) };
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        let metadata = match made.and_then(|()| fs::metadata(&folder)) {
            Ok(metadata) => metadata,
            Err(error) => {
                tracing::warn!(
                    %error,
                    folder = %folder.display(),
                    "the folder for compiled functions cannot be used, so each start compiles them again; check \
                     that it is writable and that its disk is not full"
                );
                return Ok(Self { folder: None });
            }
        };
        let own = metadata.uid() == nix::unistd::geteuid().as_raw();
        if !own || metadata.mode() & 0o022 != 0 {
            return Err(CacheError::Open { folder });
        }
        Ok(Self { folder: Some(folder) })
    }

    /// The component of `bytes`: from disk, or compiled and put there. Takes seconds for a large
    /// component that was never compiled; not for an async thread.
    pub(crate) fn load(&self, engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
        let Some(folder) = &self.folder else { return Component::new(engine, bytes) };
        let key = key(engine, bytes);
        if let Some(component) = read(engine, folder, &key) {
            return Ok(component);
        }
        let compiled = engine.precompile_component(bytes)?;
        match write(folder, &key, &compiled) {
            Ok(path) => map(engine, &path),
            Err(error) => {
                tracing::warn!(%error, folder = %folder.display(), "a compiled function could not be kept; it is compiled again at the next start");
                Component::new(engine, bytes)
            }
        }
    }
}

fn key(engine: &Engine, bytes: &[u8]) -> String {
    let mut compatibility = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut compatibility);
    format!("{}-{:016x}", digest(bytes), compatibility.finish())
}

/// The first half of SHA-256, in hex: 128 bits.
fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes)[..16])
}

/// A kept file that is what it was when it was written; others of the same key are removed.
fn read(engine: &Engine, folder: &Path, key: &str) -> Option<Component> {
    for path in files(folder).filter(|path| stem(path).starts_with(key)) {
        let whole = fs::read(&path)
            .is_ok_and(|found| stem(&path).strip_prefix(key) == Some(&format!("-{}", digest(&found))));
        match whole.then(|| map(engine, &path)) {
            Some(Ok(component)) => return Some(component),
            Some(Err(error)) => {
                tracing::warn!(path = %path.display(), %error, "compiled code is of another host; compiling again")
            }
            None => tracing::warn!(path = %path.display(), "compiled code is damaged; compiling again"),
        }
        let _ = fs::remove_file(&path);
    }
    None
}

#[allow(unsafe_code, reason = "wasmtime cannot prove that a file is its own")]
fn map(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file was written by `write`, from this engine's compiler, into a folder that only
    // this user can write to, and its digest was checked or it was written this moment. wasmtime
    // itself checks version, settings and processor. Nothing changes a file once it has its name.
    unsafe { Component::deserialize_file(engine, path) }
}

fn write(folder: &Path, key: &str, compiled: &[u8]) -> std::io::Result<PathBuf> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    make_room(folder, compiled.len() as u64);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let unnamed = folder.join(format!(".{key}-{}-{number}.tmp", std::process::id()));
    let named = folder.join(format!("{key}-{}.{EXTENSION}", digest(compiled)));
    let written = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unnamed)
        .and_then(|mut file| file.write_all(compiled))
        .and_then(|()| fs::rename(&unnamed, &named));
    if let Err(error) = written {
        let _ = fs::remove_file(&unnamed);
        return Err(error);
    }
    Ok(named)
}

/// Removes the files that were written first until `bytes` more fit under the limit.
fn make_room(folder: &Path, bytes: u64) {
    let mut kept: Vec<_> = files(folder)
        .filter_map(|path| {
            let metadata = fs::metadata(&path).ok()?;
            Some((metadata.modified().ok()?, metadata.len(), path))
        })
        .collect();
    kept.sort();
    let mut total: u64 = kept.iter().map(|(_, bytes, _)| bytes).sum::<u64>() + bytes;
    for (_, bytes, path) in kept {
        if total <= limits::WASM_CACHE_BYTES_MAX {
            break;
        }
        if fs::remove_file(&path).is_ok() {
            total -= bytes;
        }
    }
}

fn files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION))
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}
