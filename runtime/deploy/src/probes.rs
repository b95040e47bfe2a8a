//! What a build looked at. Every file read, and every file looked for and not found, is noted with
//! the state it was in; the watcher derives from it which changes concern the build.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files by path, each with the state it was in when first looked at.
#[derive(Default, Debug)]
pub(crate) struct Probes {
    files: BTreeMap<PathBuf, Option<Print>>,
    /// Folders whose every entry matters.
    listed: BTreeSet<PathBuf>,
}

/// Changes when a file does, as far as metadata tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Print {
    bytes: u64,
    modified: Option<SystemTime>,
    /// Tells a file that was renamed into place from the one it replaced.
    inode: u64,
}

/// Entries of folders whose change concerns a build, by folder (canonical).
pub(crate) type Names = BTreeMap<PathBuf, Watched>;

/// Which entries of a folder.
#[derive(Clone, Debug)]
pub(crate) enum Watched {
    Everything,
    Some(BTreeSet<OsString>),
}

impl Default for Watched {
    fn default() -> Self {
        Self::Some(BTreeSet::new())
    }
}

impl Watched {
    pub(crate) fn add(&mut self, name: OsString) {
        match self {
            Self::Everything => {}
            Self::Some(names) => {
                names.insert(name);
            }
        }
    }

    fn join(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Everything, _) => {}
            (_, Self::Everything) => *self = Self::Everything,
            (Self::Some(names), Self::Some(more)) => names.extend(more),
        }
    }
}

/// Adds `more` to `names`.
pub(crate) fn join_names(names: &mut Names, more: Names) {
    for (folder, watched) in more {
        names.entry(folder).or_default().join(watched);
    }
}

/// Whether a change of `path`, or of the folder `path` itself, concerns who watches `names`.
pub(crate) fn concerns(names: &Names, path: &Path) -> bool {
    let entry = path.parent().zip(path.file_name()).is_some_and(|(folder, name)| match names.get(folder) {
        Some(Watched::Everything) => true,
        Some(Watched::Some(names)) => names.contains(name),
        None => false,
    });
    entry || names.contains_key(path)
}

impl Probes {
    /// The text of `path`, refusing files over `bytes_max`. A missing file is noted as well.
    pub(crate) fn read(&mut self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let print = self.note(path);
        if print.is_some_and(|print| print.bytes > bytes_max) {
            return Err(io::Error::other(format!("the file is larger than {bytes_max} bytes")));
        }
        std::fs::read(path)
    }

    /// Notes `path` without reading it.
    pub(crate) fn look(&mut self, path: &Path) {
        self.note(path);
    }

    /// The entries of a folder; none when there is no such folder. From now on each entry matters.
    pub(crate) fn list(&mut self, folder: &Path) -> Vec<PathBuf> {
        self.note(folder);
        self.listed.insert(folder.to_path_buf());
        let mut entries: Vec<_> =
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        entries.sort();
        entries
    }

    /// Whether `path` is a file; noted either way.
    pub(crate) fn is_file(&mut self, path: &Path) -> bool {
        self.note(path).is_some() && path.is_file()
    }

    /// The files that were looked at and are there.
    pub(crate) fn found(&self) -> impl Iterator<Item = &Path> {
        let present = self.files.iter().filter(|(path, print)| print.is_some() && path.is_file());
        present.map(|(path, _)| path.as_path())
    }

    fn note(&mut self, path: &Path) -> Option<Print> {
        *self.files.entry(path.to_path_buf()).or_insert_with(|| Print::of(path))
    }

    /// Whether a file is no longer as it was when looked at.
    pub(crate) fn are_stale(&self) -> bool {
        self.files.iter().any(|(path, print)| Print::of(path) != *print)
    }

    /// The folder entries to watch for these files: the file itself, each folder above it up to
    /// `root` (which may be renamed or replaced by a link), and the targets of links. Of files
    /// outside of `root` the folders above are not ours to watch.
    pub(crate) fn names(&self, root: &Path) -> Names {
        let mut names = Names::new();
        for folder in &self.listed {
            if let Ok(canonical) = std::fs::canonicalize(folder) {
                names.insert(canonical, Watched::Everything);
            }
        }
        for path in self.files.keys() {
            let depth = if path.starts_with(root) { usize::MAX } else { 1 };
            for step in path.ancestors().take_while(|step| *step != root).take(depth) {
                add_entry(&mut names, step);
                let is_link = std::fs::symlink_metadata(step).is_ok_and(|metadata| metadata.is_symlink());
                if is_link && let Ok(target) = std::fs::canonicalize(step) {
                    add_entry(&mut names, &target);
                }
            }
        }
        names
    }
}

/// Adds `path` under its folder, if that exists; otherwise a folder further up speaks for it.
fn add_entry(names: &mut Names, path: &Path) {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return };
    if let Ok(folder) = std::fs::canonicalize(parent) {
        names.entry(folder).or_default().add(name.to_owned());
    }
}

impl Print {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Some(Self { bytes: metadata.len(), modified: metadata.modified().ok(), inode })
    }
}
