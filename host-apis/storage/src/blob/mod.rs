//! Blobs: bytes under a name, written once. Knows no Postgres and no object.

mod disk;
mod draft;
mod file_body;
mod intake;

use std::io;

use futures::future::BoxFuture;
use isobase_base::{Body, BodyError};

pub use disk::Disk;

use crate::ByteRange;

/// A place for blobs. A disk today; whatever can put, get, delete and list may be one.
///
/// A blob is there wholly or not at all, and once [`BlobStore::put`] has returned it survives a crash of
/// the machine. Dropping a future of `put` leaves nothing behind but what [`BlobStore::open`] removes.
pub trait BlobStore: Send + Sync {
    /// Stores `body` under `key`, where nothing is yet, or exactly this.
    fn put(&self, key: BlobKey, body: Body, put: PutBlob) -> BoxFuture<'_, Result<Written, BlobError>>;

    /// Gives the blob `from` a second name. Costs no copy where the store can do without.
    fn copy(&self, from: BlobKey, to: BlobKey) -> BoxFuture<'_, Result<(), BlobError>>;

    /// The blob or a part of it.
    fn get(&self, key: BlobKey, range: Option<ByteRange>) -> BoxFuture<'_, Result<Blob, BlobError>>;

    /// Removes it. None of that name is no error.
    fn delete(&self, key: BlobKey) -> BoxFuture<'_, Result<(), BlobError>>;

    /// Up to `limit` names of `room` in the store's own order, beginning after `after`.
    fn list(
        &self,
        room: Room,
        after: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<String>, BlobError>>;
}

/// Where a blob is and what it is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlobKey {
    room: Room,
    name: String,
}

/// Blobs of different kinds never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Room {
    /// Of stored objects, under a version.
    Objects,
    /// Under the SHA-256 of what is in them.
    Contents,
}

/// How a blob is written.
#[derive(Clone, Debug)]
pub struct PutBlob {
    /// Longer bodies are refused as soon as that is seen.
    pub bytes_max: u64,
    pub digest: DigestKind,
    /// The digest that must come out, in hexadecimal; otherwise nothing is stored.
    pub expected: Option<String>,
}

/// Which digest is made on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestKind {
    /// What S3 and Supabase Storage use for entity tags. Guards against accidents, not against people.
    Md5,
    Sha256,
}

/// What was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub bytes: u64,
    /// Of the kind that was asked for, in hexadecimal.
    pub digest: String,
}

/// A blob, or a part of one, on its way out.
#[derive(Debug)]
pub struct Blob {
    /// Of the whole blob.
    pub bytes: u64,
    /// Where the part begins.
    pub first: u64,
    /// How much of it comes.
    pub length: u64,
    pub body: Body,
}

/// Why a blob could not be stored or had.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("there is no such blob")]
    Missing,
    #[error("the body is longer than {bytes_max} bytes")]
    TooLarge { bytes_max: u64 },
    #[error("the blob has {bytes} bytes, and the range asks for none of them")]
    Range { bytes: u64 },
    #[error("the body's digest is not the one that was announced")]
    Mismatch,
    /// The body broke off before its end.
    #[error(transparent)]
    Body(BodyError),
    #[error("the disk refused: {0}")]
    Disk(#[source] io::Error),
}

impl BlobKey {
    /// # Panics
    /// When `name` is not made of lower-case hexadecimal digits and dashes: names are the host's, and one
    /// that came from outside would be a path.
    pub fn new(room: Room, name: String) -> Self {
        let is_name = name.len() >= 2
            && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
            && !name.ends_with('-');
        assert!(is_name, "a blob's name is made of hexadecimal digits");
        Self { room, name }
    }

    pub fn room(&self) -> Room {
        self.room
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

impl From<io::Error> for BlobError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::Missing } else { Self::Disk(error) }
    }
}
