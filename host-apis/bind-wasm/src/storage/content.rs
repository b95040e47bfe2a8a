//! An object's bytes that a guest holds a handle to.

use http_body_util::BodyExt;
use isobase_base::limits::STORAGE_COLLECT_BYTES_MAX;
use isobase_base::{Body, BodyError};
use isobase_storage::{Code, Error};
use wasmtime::component::Resource;
use wasmtime_wasi::p2::DynInputStream;
use wasmtime_wasi_http::p2::body::HostIncomingBody;

use super::{Answer, words};
use crate::HostView;
use crate::bindings::storage as wit;
use crate::body::broken;

/// Bytes on their way from the disk.
pub struct HeldContent {
    pub(crate) length: u64,
    /// `None` once the guest has taken it.
    pub(crate) body: Option<Body>,
}

impl wit::HostContent for HostView<'_> {
    fn length(&mut self, content: Resource<HeldContent>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&content)?.length)
    }

    fn stream(
        &mut self,
        content: Resource<HeldContent>,
    ) -> wasmtime::Result<Option<Resource<DynInputStream>>> {
        let Some(body) = self.table.get_mut(&content)?.body.take() else { return Ok(None) };
        let stream = HostIncomingBody::new(body.map_err(broken).boxed_unsync()).take_stream();
        let stream = stream.map(|stream| self.table.push(Box::new(stream) as DynInputStream));
        Ok(stream.transpose()?)
    }

    async fn read(&mut self, content: Resource<HeldContent>) -> Answer<Option<Vec<u8>>> {
        let Some(body) = self.table.get_mut(&content)?.body.take() else { return Ok(Ok(None)) };
        Ok(match body.collect(STORAGE_COLLECT_BYTES_MAX).await {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error @ BodyError::TooLarge { .. }) => {
                Err(words::error(Error::new(Code::EntityTooLarge, error.to_string())))
            }
            Err(error) => Err(words::error(Error::new(Code::InternalError, error.to_string()))),
        })
    }

    fn drop(&mut self, content: Resource<HeldContent>) -> wasmtime::Result<()> {
        self.table.delete(content)?;
        Ok(())
    }
}
