//! `isobase:host/storage`: objects as the caller.

#[allow(unreachable_pub, reason = "the generated code re-exports its types")]
mod content;
#[allow(unreachable_pub, reason = "as above")]
mod upload;
mod words;

#[allow(unreachable_pub, reason = "as above")]
pub use content::HeldContent;
#[allow(unreachable_pub, reason = "as above")]
pub use upload::OpenUpload;

use std::time::Duration;

use isobase_base::Body;
use isobase_storage::{Code, Door, Error, GetOptions};

use crate::HostView;
use crate::bindings::storage as wit;
use crate::body;

/// What every call of the interface answers: an error for the guest, within one for the host.
type Answer<T> = wasmtime::Result<Result<T, wit::Error>>;

fn no_storage() -> wit::Error {
    words::error(Error::new(Code::AccessDenied, "this host runs without a storage"))
}

impl HostView<'_> {
    fn storage(&self) -> Result<Door, wit::Error> {
        self.host.storage.clone().ok_or_else(no_storage)
    }

    fn source(&mut self, source: wit::Source) -> Answer<Body> {
        let taken = || words::error(Error::new(Code::InvalidRequest, "the body was read already"));
        Ok(match source {
            wit::Source::Bytes(bytes) => Ok(bytes.into()),
            wit::Source::Body(body) => body::forwarded(self.table.delete(body)?).ok_or_else(taken),
            wit::Source::Content(content) => self.table.delete(content)?.body.ok_or_else(taken),
        })
    }
}

impl wit::Host for HostView<'_> {
    async fn put(
        &mut self,
        bucket: String,
        name: String,
        source: wit::Source,
        options: wit::PutOptions,
    ) -> Answer<wit::Stored> {
        let body = match self.source(source)? {
            Ok(body) => body,
            Err(error) => return Ok(Err(error)),
        };
        let door = match self.storage() {
            Ok(door) => door,
            Err(error) => return Ok(Err(error)),
        };
        let stored = door.put(&bucket, &name, body, words::put_options(options)).await;
        Ok(stored.map(words::stored).map_err(words::error))
    }

    async fn get(
        &mut self,
        identity: wit::Identity,
        bucket: String,
        name: String,
        range: Option<wit::ByteRange>,
    ) -> Answer<wit::Got> {
        let door = match self.storage() {
            Ok(door) => door,
            Err(error) => return Ok(Err(error)),
        };
        let options = GetOptions { identity: words::identity(identity), range: range.map(words::range) };
        let content = match door.get(&bucket, &name, options).await {
            Ok(content) => content,
            Err(error) => return Ok(Err(words::error(error))),
        };
        let held = HeldContent { length: content.length, body: Some(content.body) };
        Ok(Ok(wit::Got {
            object: words::object(content.object),
            size: content.size,
            first: content.first,
            content: self.table.push(held)?,
        }))
    }

    async fn head(&mut self, identity: wit::Identity, bucket: String, name: String) -> Answer<wit::Object> {
        let door = match self.storage() {
            Ok(door) => door,
            Err(error) => return Ok(Err(error)),
        };
        let object = door.head(&bucket, &name, words::identity(identity)).await;
        Ok(object.map(words::object).map_err(words::error))
    }

    async fn list_objects(&mut self, bucket: String, options: wit::ListOptions) -> Answer<wit::Page> {
        let door = match self.storage() {
            Ok(door) => door,
            Err(error) => return Ok(Err(error)),
        };
        let page = door.list(&bucket, &words::list_options(options)).await;
        Ok(page.map(words::page).map_err(words::error))
    }

    async fn copy(
        &mut self,
        source: wit::Place,
        target: wit::Place,
        options: wit::PutOptions,
    ) -> Answer<wit::Stored> {
        let door = match self.storage() {
            Ok(door) => door,
            Err(error) => return Ok(Err(error)),
        };
        let (from, to) = ((&*source.bucket, &*source.name), (&*target.bucket, &*target.name));
        let stored = door.copy(from, to, words::copy_options(options)).await;
        Ok(stored.map(words::stored).map_err(words::error))
    }

    async fn move_(&mut self, identity: wit::Identity, source: wit::Place, target: wit::Place) -> Answer<()> {
        let door = match self.storage() {
            Ok(door) => door,
            Err(error) => return Ok(Err(error)),
        };
        let (from, to) = ((&*source.bucket, &*source.name), (&*target.bucket, &*target.name));
        Ok(door.rename(from, to, words::identity(identity)).await.map_err(words::error))
    }

    async fn remove(
        &mut self,
        identity: wit::Identity,
        bucket: String,
        names: Vec<String>,
    ) -> Answer<Vec<wit::Object>> {
        let door = match self.storage() {
            Ok(door) => door,
            Err(error) => return Ok(Err(error)),
        };
        let removed = door.delete(&bucket, &names, words::identity(identity)).await;
        Ok(removed.map(|all| all.into_iter().map(words::object).collect()).map_err(words::error))
    }

    async fn sign(
        &mut self,
        identity: wit::Identity,
        bucket: String,
        name: String,
        expires_in: u32,
    ) -> Answer<wit::SignedUrl> {
        let door = match self.storage() {
            Ok(door) => door,
            Err(error) => return Ok(Err(error)),
        };
        let valid_for = Duration::from_secs(expires_in.into());
        let url = door.sign(&bucket, &name, valid_for, words::identity(identity)).await;
        Ok(url.map(|url| wit::SignedUrl { path: url.path, token: url.token }).map_err(words::error))
    }

    fn verify(&mut self, token: String) -> Answer<wit::Signed> {
        let door = match self.storage() {
            Ok(door) => door,
            Err(error) => return Ok(Err(error)),
        };
        let signed = door.verify(&token).map_err(words::error);
        Ok(signed.map(|signed| wit::Signed {
            bucket: signed.bucket,
            name: signed.name,
            expires_at: signed.expires_at,
        }))
    }
}
