//! A bucket, and as whom it is used.

use std::time::Duration;

use super::{Error, Got, ListOptions, Object, Page, PutOptions, SignedUrl, Source, Stored, Upload, host};
use crate::bindings::isobase::host::database::Identity;
use crate::body::Unread;

/// A bucket by name. It need not exist: calls say so.
#[derive(Clone, Debug)]
pub struct Bucket {
    name: String,
    identity: Identity,
}

/// The bucket of this name, as the caller of the request.
pub fn bucket(name: impl Into<String>) -> Bucket {
    Bucket { name: name.into(), identity: Identity::Caller }
}

impl Bucket {
    /// As `service_role`, past row level security. Needs the storage grant `service`.
    #[must_use]
    pub fn as_service(mut self) -> Self {
        self.identity = Identity::Service;
        self
    }

    /// Stores an object under a name that no other has. When this returns it is there for good.
    pub fn put(&self, name: &str, source: impl Into<Source>) -> Result<Stored, Error> {
        self.put_with(name, source, PutOptions::default())
    }

    pub fn put_with(
        &self,
        name: &str,
        source: impl Into<Source>,
        options: PutOptions,
    ) -> Result<Stored, Error> {
        let source = match source.into() {
            Source::Bytes(bytes) => host::Source::Bytes(bytes),
            Source::Content(content) => host::Source::Content(content.into_host()),
            Source::Body(body) => match body.into_unread() {
                Ok(Unread::Host(body)) => host::Source::Body(body),
                Ok(Unread::Held(bytes)) => host::Source::Bytes(bytes),
                Err(rest) => {
                    let mut upload = self.upload(name, options);
                    // What went wrong is told by the end of the upload; a body that broke off is not.
                    if let Err(error) = upload.splice(rest) {
                        let broken =
                            || Error { code: "Aborted".into(), status: 500, message: error.to_string() };
                        return Err(match error.kind() {
                            std::io::ErrorKind::BrokenPipe => upload.finish().err().unwrap_or_else(broken),
                            _ => broken(),
                        });
                    }
                    return upload.finish();
                }
            },
        };
        Ok(host::put(&self.name, name, source, &options.into_host(self.identity))?)
    }

    /// An object to write piece by piece.
    pub fn upload(&self, name: &str, options: PutOptions) -> Upload {
        Upload::begin(host::Upload::new(&self.name, name, &options.into_host(self.identity)))
    }

    /// A whole object. What the policies hide does not exist.
    pub fn get(&self, name: &str) -> Result<Got, Error> {
        Ok(host::get(self.identity, &self.name, name, None)?.into())
    }

    /// The bytes `first` to `last`, both counted; without `first`, `last` bytes of the end.
    pub fn get_range(&self, name: &str, first: Option<u64>, last: Option<u64>) -> Result<Got, Error> {
        let range = host::ByteRange { first, last };
        Ok(host::get(self.identity, &self.name, name, Some(range))?.into())
    }

    /// What is known of an object.
    pub fn head(&self, name: &str) -> Result<Object, Error> {
        Ok(host::head(self.identity, &self.name, name)?)
    }

    pub fn list(&self, options: ListOptions) -> Result<Page, Error> {
        Ok(host::list_objects(&self.name, &options.into_host(self.identity))?)
    }

    /// A second object of the same content, in this bucket or another.
    pub fn copy(&self, name: &str, target: (&str, &str), options: PutOptions) -> Result<Stored, Error> {
        let options = options.into_host(self.identity);
        Ok(host::copy(&self.place(name), &place(target), &options)?)
    }

    /// Another name for an object, perhaps in another bucket. Fails where there is one of that name.
    pub fn move_to(&self, name: &str, target: (&str, &str)) -> Result<(), Error> {
        Ok(host::move_(self.identity, &self.place(name), &place(target))?)
    }

    /// Deletes up to 1,000 objects and tells which; those that the caller may not delete are left out.
    pub fn remove(&self, names: &[String]) -> Result<Vec<Object>, Error> {
        Ok(host::remove(self.identity, &self.name, names)?)
    }

    /// An address that opens the object for a while to whoever has it. In whole seconds.
    pub fn sign(&self, name: &str, valid_for: Duration) -> Result<SignedUrl, Error> {
        let seconds = u32::try_from(valid_for.as_secs()).unwrap_or(u32::MAX);
        Ok(host::sign(self.identity, &self.name, name, seconds)?)
    }

    fn place(&self, name: &str) -> host::Place {
        place((&self.name, name))
    }
}

fn place((bucket, name): (&str, &str)) -> host::Place {
    host::Place { bucket: bucket.to_owned(), name: name.to_owned() }
}
