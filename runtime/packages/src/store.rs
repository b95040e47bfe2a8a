//! Unpacked packages on disk, each under the hash of its archive.
//!
//! What is here was checked when it came and is never changed; who finds a folder may use it. Hosts share
//! the cache: a package is unpacked beside and renamed into place, and whoever comes second finds it there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::archive;
use crate::error::PackagesError;
use crate::integrity::Integrity;

#[derive(Clone)]
pub(crate) struct Store {
    folder: Arc<Path>,
}

impl Store {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.into() }
    }

    /// Where the package is, or will be.
    pub(crate) fn place(&self, integrity: &Integrity) -> PathBuf {
        self.folder.join("content").join(integrity.name())
    }

    /// A file of the cache that is no package.
    pub(crate) fn file(&self, kind: &str, name: &str) -> PathBuf {
        self.folder.join(kind).join(name)
    }

    /// Unpacks `archive`, which has been checked. Blocking.
    pub(crate) fn add(
        &self,
        package: &str,
        integrity: &Integrity,
        archive: &[u8],
    ) -> Result<PathBuf, PackagesError> {
        let place = self.place(integrity);
        let unpacked = self.beside(&place).map_err(|error| self.broken(error))?;
        archive::unpack(archive, unpacked.path()).map_err(|error| PackagesError::Archive {
            package: package.to_owned(),
            problem: error.to_string(),
        })?;
        let unpacked = unpacked.keep();
        match std::fs::rename(&unpacked, &place) {
            Ok(()) => Ok(place),
            // Another build, or another host, was faster.
            Err(_) if place.is_dir() => {
                _ = std::fs::remove_dir_all(&unpacked);
                Ok(place)
            }
            Err(error) => Err(self.broken(error)),
        }
    }

    /// Writes a file of the cache so that readers see all of it or nothing.
    pub(crate) fn write(&self, path: &Path, content: &[u8]) -> Result<(), PackagesError> {
        let write = || {
            let parent = path.parent().unwrap_or(&self.folder);
            std::fs::create_dir_all(parent)?;
            let file = tempfile::NamedTempFile::new_in(parent)?;
            std::fs::write(file.path(), content)?;
            file.persist(path).map_err(|error| error.error)
        };
        write().map(drop).map_err(|error| self.broken(error))
    }

    fn beside(&self, place: &Path) -> io::Result<tempfile::TempDir> {
        let parent = place.parent().unwrap_or(&self.folder);
        std::fs::create_dir_all(parent)?;
        tempfile::Builder::new().prefix(".new-").tempdir_in(parent)
    }

    fn broken(&self, error: io::Error) -> PackagesError {
        PackagesError::Cache { folder: self.folder.display().to_string(), problem: Arc::new(error) }
    }
}
