//! The startup image: the evaluated platform as a snapshot of memory, and beside it the scripts that are
//! evaluated when they are first touched.
//!
//! An isolate that starts from it skips parsing and running about a megabyte of JavaScript. The
//! binary writes its own snapshot the first time it runs and keeps it in the cache folder under a
//! name that covers everything the image depends on; a build script could not run the operations
//! that the image refers to without compiling the whole platform twice.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use deno_core::{JsRuntimeForSnapshot, RuntimeOptions, v8};
use isobase_base::{hex, limits};
use sha2::{Digest, Sha256};

use crate::scripts::{self, Scripts};
use crate::{extensions, platform, sources};

const CHECKSUM_BYTES: usize = 32;
const SNAPSHOT: &str = ".snapshot";
const SCRIPTS: &str = ".scripts";

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("cannot write the startup snapshot to {}: {source}; check that the folder is writable", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("the platform's scripts do not run: {0}")]
    Evaluate(String),
}

/// What isolates start from. Lives as long as the process: isolates refer to it.
#[derive(Clone, Copy)]
pub(crate) struct Image {
    pub(crate) snapshot: &'static [u8],
    pub(crate) scripts: Scripts,
}

/// The image for this build, from `cache_dir` if a whole one is there, else made and kept there.
///
/// V8 must be initialised.
pub(crate) fn ensure(cache_dir: &Path) -> Result<Image, SnapshotError> {
    let id = build_id();
    let snapshot = part(&cache_dir.join(format!("v8-{id}{SNAPSHOT}")), create)?;
    let made = || scripts::make().map(Vec::into_boxed_slice).map_err(SnapshotError::Evaluate);
    let packed = part(&cache_dir.join(format!("v8-{id}{SCRIPTS}")), made)?;
    let scripts = scripts::unpack(packed)
        .ok_or_else(|| SnapshotError::Evaluate("the file of scripts cannot be read".to_owned()))?;
    Ok(Image { snapshot: Box::leak(snapshot), scripts })
}

fn part(
    path: &Path,
    make: impl FnOnce() -> Result<Box<[u8]>, SnapshotError>,
) -> Result<Box<[u8]>, SnapshotError> {
    if let Some(kept) = read(path) {
        return Ok(kept);
    }
    let made = make()?;
    write(path, &made).map_err(|source| SnapshotError::Write { path: path.to_owned(), source })?;
    forget_oldest(path);
    Ok(made)
}

/// Covers all that the image depends on: V8, its flags, the operations' order and the scripts.
fn build_id() -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update(text.len().to_le_bytes());
        hash.update(text.as_bytes());
    };
    add(env!("CARGO_PKG_VERSION"));
    add(env!("ISOBASE_V8_SOURCES"));
    add(v8::V8::get_version());
    add(platform::FLAGS);
    add(if cfg!(debug_assertions) { "debug" } else { "release" });
    for extension in extensions::for_listing() {
        add(extension.name);
        extension.ops.iter().for_each(|op| add(op.name));
    }
    for (specifier, text) in sources::all() {
        add(specifier);
        add(text);
    }
    add(sources::BOOTSTRAP);
    hex(&hash.finalize()[..12])
}

/// `None` when there is no file, or not a whole one.
fn read(path: &Path) -> Option<Box<[u8]>> {
    let mut file = fs::read(path).ok()?;
    let at = file.len().checked_sub(CHECKSUM_BYTES)?;
    let checksum = file.split_off(at);
    if Sha256::digest(&file)[..] != checksum[..] {
        tracing::warn!(path = %path.display(), "a part of the startup image is damaged and will be written again");
        return None;
    }
    Some(file.into_boxed_slice())
}

/// Under another name first: a reader sees a whole file or none.
fn write(path: &Path, image: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let temporary =
        folder.join(format!(".snapshot-{}-{:?}", std::process::id(), std::thread::current().id()));
    let written = fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(image)?;
        file.write_all(&Sha256::digest(image))?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    if written.is_err() {
        // The error that matters is the one above; this only tidies up.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Removes what builds that are gone left of the kind of `path`. Whatever cannot be read or removed is left
/// alone.
fn forget_oldest(path: &Path) {
    let Some(Ok(entries)) = path.parent().map(fs::read_dir) else { return };
    let images = entries.flatten().filter(|entry| entry.path().extension() == path.extension());
    let mut images: Vec<_> =
        images.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
    images.sort_unstable_by(|one, other| other.cmp(one));
    for (_, path) in images.into_iter().skip(limits::V8_SNAPSHOTS_MAX) {
        let _ = fs::remove_file(path);
    }
}

fn create() -> Result<Box<[u8]>, SnapshotError> {
    // A runtime's timers need a reactor to be in scope even though nothing waits here.
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| SnapshotError::Evaluate(error.to_string()))?;
    let _entered = reactor.enter();
    let mut runtime = JsRuntimeForSnapshot::try_new(RuntimeOptions {
        extensions: extensions::for_snapshot(),
        ..Default::default()
    })
    .map_err(|error| SnapshotError::Evaluate(error.print_with_cause()))?;
    runtime
        .execute_script("ext:isobase_runtime/bootstrap.js", sources::BOOTSTRAP)
        .map_err(|error| SnapshotError::Evaluate(error.to_string()))?;
    add_vm_context(&mut runtime)?;
    Ok(runtime.snapshot())
}

/// What `node:vm` makes contexts from. Without one it would take the first context there is: the
/// platform's own.
fn add_vm_context(runtime: &mut JsRuntimeForSnapshot) -> Result<(), SnapshotError> {
    let mode = || deno_node::ContextInitMode::ForSnapshot;
    v8::scope!(scope, runtime.v8_isolate());
    let template = deno_node::init_global_template(scope, mode());
    let context = deno_node::create_v8_context(scope, template, mode(), std::ptr::null_mut());
    if scope.add_context(context) == deno_node::VM_CONTEXT_INDEX {
        return Ok(());
    }
    Err(SnapshotError::Evaluate("the context of node:vm is not where it is looked for".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{read, write};

    #[test]
    fn damage_is_noticed() {
        let folder = std::env::temp_dir().join(format!("isobase-snapshot-test-{}", std::process::id()));
        let path = folder.join("image");
        write(&path, b"an image").unwrap();
        assert_eq!(read(&path).as_deref(), Some(&b"an image"[..]));

        let mut bytes = std::fs::read(&path).unwrap();
        bytes[3] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read(&path), None);

        std::fs::write(&path, &bytes[..10]).unwrap();
        assert_eq!(read(&path), None);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
