//! Blobs as files.
//!
//! `<folder>/drafts/` holds what is being written and nothing else; `<folder>/<room>/ab/…ab` the blobs,
//! spread over 256 folders by the end of their names, for the beginning of a version is the time.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use futures::future::BoxFuture;
use isobase_base::Body;
use isobase_base::limits::STORAGE_READ_BYTES;
use tokio::runtime::Handle;

use super::draft::{Draft, in_folder, sync_folder_of};
use super::file_body::{FileBody, read_at};
use super::intake::Intake;
use super::{Blob, BlobError, BlobKey, BlobStore, PutBlob, Room, Written};
use crate::ByteRange;
use crate::version::Version;

const DRAFTS: &str = "drafts";
/// Characters at the end of a name that choose its folder.
const SHARD_CHARS: usize = 2;

/// One folder, owned by one process.
pub struct Disk {
    folder: PathBuf,
    /// Whose threads block for the disk, whichever thread asks.
    runtime: Handle,
}

impl Disk {
    /// Makes the folder, and removes what a process that is no more was writing. Blocks; to be called
    /// on the runtime whose threads are to read and write.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        let drafts = folder.join(DRAFTS);
        match fs::remove_dir_all(&drafts) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir_all(&drafts)?,
        }
        sync_folder_of(&drafts)?;
        sync_folder_of(&folder)?;
        Ok(Self { folder, runtime: Handle::current() })
    }

    fn path(&self, key: &BlobKey) -> PathBuf {
        self.room(key.room()).join(shard(key.name())).join(key.name())
    }

    fn room(&self, room: Room) -> PathBuf {
        self.folder.join(match room {
            Room::Objects => "objects",
            Room::Contents => "contents",
        })
    }

    async fn run<T: Send + 'static>(
        &self,
        act: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, BlobError> {
        let ended = |error| BlobError::Disk(io::Error::other(error));
        self.runtime.spawn_blocking(act).await.map_err(ended)?
    }

    /// While one piece is written the next one is gathered.
    async fn put_body(&self, key: BlobKey, body: Body, put: PutBlob) -> Result<Written, BlobError> {
        let mut intake = Intake::new(body, put.bytes_max);
        let path = self.folder.join(DRAFTS).join(Version::generate().to_string());
        let mut draft = None;
        let mut gathered = intake.gather().await?;
        while !gathered.is_last {
            let (begun, path) = (draft.take(), path.clone());
            let writing = self.run(move || written(begun, path, &put.digest, &gathered.chunks));
            let (begun, next) = tokio::try_join!(writing, intake.gather())?;
            draft = Some(begun);
            gathered = next;
        }
        let target = self.path(&key);
        self.run(move || {
            let draft = written(draft, path, &put.digest, &gathered.chunks)?;
            draft.publish(&target, put.expected.as_deref())
        })
        .await
    }

    fn names(&self, room: Room, after: Option<&str>, limit: usize) -> io::Result<Vec<String>> {
        let room = self.room(room);
        let mut names = Vec::new();
        for shard_name in entries(&room)? {
            if after.is_some_and(|after| *shard_name < *shard(after)) {
                continue;
            }
            let in_reach = |name: &String| {
                after.is_none_or(|after| (shard(name), name.as_str()) > (shard(after), after))
            };
            names.extend(entries(&room.join(&shard_name))?.into_iter().filter(in_reach));
            if names.len() >= limit {
                names.truncate(limit);
                break;
            }
        }
        Ok(names)
    }
}

fn written(
    begun: Option<Draft>,
    path: PathBuf,
    digest: &super::DigestKind,
    chunks: &[bytes::Bytes],
) -> Result<Draft, BlobError> {
    let mut draft = match begun {
        Some(draft) => draft,
        None => Draft::create(path, *digest).map_err(BlobError::Disk)?,
    };
    draft.write(chunks).map_err(BlobError::Disk)?;
    Ok(draft)
}

fn shard(name: &str) -> &str {
    &name[name.len().saturating_sub(SHARD_CHARS)..]
}

/// Names in a folder, sorted; none where there is no folder.
fn entries(folder: &Path) -> io::Result<Vec<String>> {
    let read = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read?,
    };
    let mut names = Vec::new();
    for entry in read {
        names.extend(entry?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

/// A short part comes at once, with the opening of the file; a longer one as it is read.
fn open(path: &Path, range: Option<ByteRange>, runtime: Handle) -> Result<Blob, BlobError> {
    let file = File::open(path)?;
    let bytes = file.metadata().map_err(BlobError::Disk)?.len();
    let (first, length) = match range {
        Some(range) => range.within(bytes).map_err(|_| BlobError::Range { bytes })?,
        None => (0, bytes),
    };
    let body = if length <= STORAGE_READ_BYTES as u64 {
        read_at(&file, first, length).map_err(BlobError::Disk)?.into()
    } else {
        Body::wrap(FileBody::new(file, first, length, runtime))
    };
    Ok(Blob { bytes, first, length, body })
}

impl BlobStore for Disk {
    fn put(&self, key: BlobKey, body: Body, put: PutBlob) -> BoxFuture<'_, Result<Written, BlobError>> {
        Box::pin(self.put_body(key, body, put))
    }

    /// A second name for the same file: blobs never change.
    fn copy(&self, from: BlobKey, to: BlobKey) -> BoxFuture<'_, Result<(), BlobError>> {
        let (from, to) = (self.path(&from), self.path(&to));
        Box::pin(self.run(move || {
            if !from.exists() {
                return Err(BlobError::Missing);
            }
            in_folder(&to, || fs::hard_link(&from, &to))?;
            sync_folder_of(&to).map_err(BlobError::Disk)
        }))
    }

    fn get(&self, key: BlobKey, range: Option<ByteRange>) -> BoxFuture<'_, Result<Blob, BlobError>> {
        let (path, runtime) = (self.path(&key), self.runtime.clone());
        Box::pin(self.run(move || open(&path, range, runtime)))
    }

    fn delete(&self, key: BlobKey) -> BoxFuture<'_, Result<(), BlobError>> {
        let path = self.path(&key);
        Box::pin(self.run(move || match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(BlobError::Disk(error)),
            _ => Ok(()),
        }))
    }

    fn list(
        &self,
        room: Room,
        after: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<String>, BlobError>> {
        // The folder's names are few words; a copy of them is all the closure needs.
        let disk = Self { folder: self.folder.clone(), runtime: self.runtime.clone() };
        Box::pin(self.run(move || disk.names(room, after.as_deref(), limit).map_err(BlobError::Disk)))
    }
}
