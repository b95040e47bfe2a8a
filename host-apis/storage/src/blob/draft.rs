//! A blob that is being written. Everything here blocks.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use isobase_base::hex;
use md5::Md5;
use sha2::Sha256;

use super::{BlobError, DigestKind, Written};

/// A file among the drafts. Dropped before it was published, it is removed.
pub(super) struct Draft {
    file: File,
    /// `None` once it was published.
    path: Option<PathBuf>,
    bytes: u64,
    digest: Digesting,
}

enum Digesting {
    Md5(Md5),
    Sha256(Sha256),
}

impl Draft {
    pub(super) fn create(path: PathBuf, kind: DigestKind) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        let digest = match kind {
            DigestKind::Md5 => Digesting::Md5(Md5::default()),
            DigestKind::Sha256 => Digesting::Sha256(Sha256::default()),
        };
        Ok(Self { file, path: Some(path), bytes: 0, digest })
    }

    pub(super) fn write(&mut self, chunks: &[Bytes]) -> io::Result<()> {
        for chunk in chunks {
            self.digest.update(chunk);
            self.file.write_all(chunk)?;
            self.bytes += chunk.len() as u64;
        }
        Ok(())
    }

    /// Syncs the bytes, gives the file its name, syncs the name. After this the blob is there for good.
    pub(super) fn publish(mut self, target: &Path, expected: Option<&str>) -> Result<Written, BlobError> {
        let digest = std::mem::replace(&mut self.digest, Digesting::Md5(Md5::default())).finish();
        if expected.is_some_and(|expected| expected != digest) {
            return Err(BlobError::Mismatch);
        }
        self.file.sync_data().map_err(BlobError::Disk)?;
        if let Some(path) = &self.path {
            in_folder(target, || fs::rename(path, target)).map_err(BlobError::Disk)?;
        }
        self.path = None;
        sync_folder_of(target).map_err(BlobError::Disk)?;
        Ok(Written { bytes: self.bytes, digest })
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // What stays after a failure here goes when the store is opened next.
            _ = fs::remove_file(path);
        }
    }
}

impl Digesting {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(digest) => md5::Digest::update(digest, bytes),
            Self::Sha256(digest) => sha2::Digest::update(digest, bytes),
        }
    }

    fn finish(self) -> String {
        match self {
            Self::Md5(digest) => hex(&md5::Digest::finalize(digest)),
            Self::Sha256(digest) => hex(&sha2::Digest::finalize(digest)),
        }
    }
}

/// Runs `act`, and once more after the folder of `target` was made, if that was missing.
pub(super) fn in_folder(target: &Path, act: impl Fn() -> io::Result<()>) -> io::Result<()> {
    match act() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = target.parent().unwrap_or(target);
            fs::create_dir_all(folder)?;
            sync_folder_of(folder)?;
            act()
        }
        done => done,
    }
}

/// Makes a name durable: a folder is a file of names.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(path))?.sync_all()
}
