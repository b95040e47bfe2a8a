//! Objects in buckets, as the caller of the request.
//!
//! Row level security on `storage.objects` decides. Contents move between client and disk within the
//! host: this function's memory sees them only when it reads.
//!
//! ```
//! use isobase_sdk::{Request, Response, storage};
//!
//! fn save(mut request: Request) -> Result<Response, Box<dyn std::error::Error>> {
//!     let stored = storage::bucket("notes").put("today.txt", request.take_body())?;
//!     Ok(Response::text(stored.etag))
//! }
//!
//! fn load(_request: Request) -> Result<Response, Box<dyn std::error::Error>> {
//!     let got = storage::bucket("notes").get("today.txt")?;
//!     Ok(Response::stored(got.content).with_header("content-type", got.object.content_type))
//! }
//! ```

mod bucket;
mod content;
mod error;
mod options;
mod upload;

pub use crate::bindings::isobase::host::storage::{Entry, Object, Page, Signed, SignedUrl, Stored};
pub use bucket::{Bucket, bucket};
pub use content::{Content, Got, Source};
pub use error::Error;
pub use options::{ListOptions, PutOptions, SortColumn};
pub use upload::Upload;

use crate::bindings::isobase::host::storage as host;

/// What a token of [`Bucket::sign`] opens, if it is good. Whoever shows it needs no other permission.
pub fn verify(token: &str) -> Result<Signed, Error> {
    Ok(host::verify(token)?)
}
