//! Files under the hash of what is in them: deployed functions, for one. Without any database.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use isobase_base::{Body, hex};
use sha2::{Digest, Sha256};

use crate::blob::{Blob, BlobError, BlobKey, BlobStore, DigestKind, PutBlob, Room};

/// A store in which equal files are one file. Clones share it.
#[derive(Clone)]
pub struct Contents {
    blobs: Arc<dyn BlobStore>,
}

/// The SHA-256 of a file, in lower-case hexadecimal.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentId(String);

impl ContentId {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex(&Sha256::digest(bytes)))
    }

    /// `None` unless `text` is 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 64 && text.bytes().all(is_hex)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn blob(&self) -> BlobKey {
        BlobKey::new(Room::Contents, self.0.clone())
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ContentId({})", self.0)
    }
}

impl Contents {
    pub fn new(blobs: Arc<dyn BlobStore>) -> Self {
        Self { blobs }
    }

    /// Stores `bytes` if they are not there yet. Durable when it returns.
    pub async fn put(&self, bytes: Bytes) -> Result<ContentId, BlobError> {
        let id = ContentId::of(&bytes);
        let bytes_max = bytes.len() as u64;
        self.put_as(&id, bytes.into(), bytes_max).await?;
        Ok(id)
    }

    /// Stores a body whose hash is known, if it is not there yet.
    ///
    /// # Errors
    /// [`BlobError::Mismatch`] when the body is something else; then nothing is stored.
    pub async fn put_as(&self, id: &ContentId, body: Body, bytes_max: u64) -> Result<(), BlobError> {
        if self.contains(id).await? {
            return Ok(());
        }
        let put = PutBlob { bytes_max, digest: DigestKind::Sha256, expected: Some(id.as_str().to_owned()) };
        self.blobs.put(id.blob(), body, put).await.map(drop)
    }

    pub async fn get(&self, id: &ContentId) -> Result<Blob, BlobError> {
        self.blobs.get(id.blob(), None).await
    }

    pub async fn contains(&self, id: &ContentId) -> Result<bool, BlobError> {
        match self.get(id).await {
            Ok(_) => Ok(true),
            Err(BlobError::Missing) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// None of that hash is no error.
    pub async fn delete(&self, id: &ContentId) -> Result<(), BlobError> {
        self.blobs.delete(id.blob()).await
    }

    /// Up to `limit` hashes in the store's own order, beginning after `after`.
    pub async fn list(&self, after: Option<&ContentId>, limit: usize) -> Result<Vec<ContentId>, BlobError> {
        let after = after.map(|id| id.0.clone());
        let names = self.blobs.list(Room::Contents, after, limit).await?;
        Ok(names.iter().filter_map(|name| ContentId::parse(name)).collect())
    }
}
