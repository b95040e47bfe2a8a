//! The operating system's word that files changed. Folders are watched one by one, never whole
//! trees: only those that hold a file some function was built from, or could be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use isobase_base::FunctionSlug;
use isobase_base::limits::SOURCE_FOLDERS_MAX;
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::fault::SourceFault;

/// Something that may make a build old.
pub(crate) enum Change {
    /// Files or folders, by canonical path.
    Paths(Vec<PathBuf>),
    /// The build of a Rust crate ended.
    Built { slug: FunctionSlug, serial: u64, component: Result<Bytes, SourceFault> },
}

pub(crate) struct Watcher {
    inner: RecommendedWatcher,
    /// Canonical folders and which one is watched under that name.
    folders: BTreeMap<PathBuf, Identity>,
    warned: bool,
}

impl Watcher {
    /// Sends changes to `report`. When that is full the change is dropped and `overflowed` set:
    /// then anything may have changed.
    pub(crate) fn start(report: mpsc::Sender<Change>, overflowed: Arc<AtomicBool>) -> notify::Result<Self> {
        let inner = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let lost = match event {
                Ok(event) if event.need_rescan() => true,
                Ok(event) if is_change(event.kind) => report.try_send(Change::Paths(event.paths)).is_err(),
                Ok(_) => false,
                Err(_) => true,
            };
            if lost {
                overflowed.store(true, Ordering::Release);
                // Wakes the receiver; when it is full it is awake.
                let _ = report.try_send(Change::Paths(Vec::new()));
            }
        })?;
        Ok(Self { inner, folders: BTreeMap::new(), warned: false })
    }

    /// Watched folders among the `changed` paths were moved or deleted, or others took their names:
    /// the system no longer watches what is there now.
    pub(crate) fn forget(&mut self, changed: &[PathBuf]) {
        for folder in changed {
            if self.folders.remove(folder).is_some() {
                // The system forgets a deleted folder by itself, and then does not know it.
                let _ = self.inner.unwatch(folder);
            }
        }
    }

    /// Watches exactly the folders `wanted`; returns those that were not watched before. Their
    /// files may have changed between being read and now.
    pub(crate) fn watch_only<'a>(&mut self, wanted: impl Iterator<Item = &'a Path>) -> Vec<PathBuf> {
        let wanted: BTreeMap<PathBuf, Identity> =
            wanted.filter_map(|folder| Some((folder.to_path_buf(), Identity::of(folder)?))).collect();
        let gone = self.folders.iter().filter(|(folder, identity)| wanted.get(*folder) != Some(identity));
        let gone: Vec<PathBuf> = gone.map(|(folder, _)| folder.clone()).collect();
        self.forget(&gone);
        let mut added = Vec::new();
        for (folder, identity) in wanted {
            if self.folders.contains_key(&folder) {
                continue;
            }
            if let Err(why) = self.watch(&folder) {
                if !std::mem::replace(&mut self.warned, true) {
                    tracing::warn!(folder = %folder.display(), %why, "changes there will not be seen");
                }
                continue;
            }
            self.folders.insert(folder.clone(), identity);
            added.push(folder);
        }
        added
    }

    fn watch(&mut self, folder: &Path) -> notify::Result<()> {
        if self.folders.len() >= SOURCE_FOLDERS_MAX {
            return Err(notify::Error::generic(&format!("{SOURCE_FOLDERS_MAX} folders are watched already")));
        }
        self.inner.watch(folder, RecursiveMode::NonRecursive)
    }
}

/// Reading is not a change; neither are times and permissions.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

/// Tells a folder from another that took its name. Inode numbers are used again, so the time of
/// birth is part of it where the file system knows it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    inode: u64,
    born: Option<SystemTime>,
}

impl Identity {
    fn of(folder: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(folder).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Some(Self { inode, born: metadata.created().ok() })
    }
}
