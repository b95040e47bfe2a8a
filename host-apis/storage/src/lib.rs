//! The storage host API: objects in buckets, as the caller of a request.
//!
//! An object is a row of `storage.objects`, which row level security guards, and a *blob*, a file that
//! is written once under a name nobody chose and never changes. The row names the blob; nothing else
//! makes it visible. So an upload is: blob to the disk, whole and synced, then one transaction as the
//! caller. A crash leaves the old object or the new one, and perhaps a blob that nobody names, which the
//! sweep removes; deleting writes the blob's name on a list in the same transaction, by trigger, so plain
//! SQL may delete too.
//!
//! A [`Door`] is the storage as one invocation sees it. What is beneath, a [`BlobStore`], knows no
//! Postgres; [`Contents`] keeps files under the hash of what is in them in the same store.
//!
//! ```no_run
//! # async fn example(context: isobase_base::Context, storage: isobase_storage::Storage)
//! # -> Result<(), isobase_storage::Error> {
//! use isobase_base::{Body, Grant};
//! use isobase_storage::{GetOptions, PutOptions};
//!
//! let door = storage.door(context, Grant::Caller);
//! let options = PutOptions { content_type: Some("text/plain".into()), ..PutOptions::default() };
//! door.put("notes", "today.txt", Body::from("milk"), options).await?;
//! let content = door.get("notes", "today.txt", GetOptions::default()).await?;
//! assert_eq!(content.length, 4);
//! # Ok(())
//! # }
//! ```

mod blob;
mod bucket;
mod change;
mod contents;
mod door;
mod error;
mod list;
mod name;
mod object;
mod range;
mod sign;
mod statement;
mod storage;
mod sweep;
mod version;
mod write;

pub use blob::{Blob, BlobError, BlobKey, BlobStore, DigestKind, Disk, PutBlob, Room, Written};
pub use change::CopyOptions;
pub use contents::{ContentId, Contents};
pub use door::{Door, GetOptions};
pub use error::{Code, Error};
pub use list::{Entry, ListOptions, Order, Page, SortColumn};
pub use object::{Content, Object, Stored};
pub use range::ByteRange;
pub use sign::{Signed, SignedUrl};
pub use storage::{OpenError, Storage, StorageConfig};
pub use write::PutOptions;
