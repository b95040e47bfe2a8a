//! An object that a guest writes piece by piece.

use bytes::Bytes;
use isobase_base::limits::STORAGE_UPLOAD_CHUNKS_WAITING_MAX;
use isobase_base::task::{self, TaskKind};
use isobase_base::{Body, BodyError};
use isobase_storage::{Code, Error, Stored};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::{Answer, no_storage, words};
use crate::HostView;
use crate::bindings::storage as wit;

/// What one write of a guest may be long, in bytes.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// An upload under way. Dropped before it was finished, it is given up.
pub struct OpenUpload {
    parts: mpsc::Sender<Part>,
    /// Whether the guest has taken the stream.
    is_taken: bool,
    outcome: oneshot::Receiver<Result<Stored, Error>>,
    work: JoinHandle<()>,
}

/// An upload without its end was given up, and what was written must not count as whole.
enum Part {
    Chunk(Bytes),
    End,
}

impl Drop for OpenUpload {
    fn drop(&mut self) {
        self.work.abort();
    }
}

async fn next_part(
    parts: Option<mpsc::Receiver<Part>>,
) -> Option<(Result<Bytes, BodyError>, Option<mpsc::Receiver<Part>>)> {
    let mut parts = parts?;
    match parts.recv().await {
        Some(Part::Chunk(chunk)) => Some((Ok(chunk), Some(parts))),
        Some(Part::End) => None,
        None => Some((Err(BodyError::Source("the upload was given up".to_owned())), None)),
    }
}

impl wit::HostUpload for HostView<'_> {
    fn new(
        &mut self,
        bucket: String,
        name: String,
        options: wit::PutOptions,
    ) -> wasmtime::Result<Resource<OpenUpload>> {
        let (parts, receiver) = mpsc::channel(STORAGE_UPLOAD_CHUNKS_WAITING_MAX);
        let (told, outcome) = oneshot::channel();
        let door = self.host.storage.clone();
        let options = words::put_options(options);
        let work = task::spawn(TaskKind::Request, "upload", async move {
            let body = Body::from_stream(futures::stream::unfold(Some(receiver), next_part));
            let stored = match door {
                Some(door) => door.put(&bucket, &name, body, options).await,
                None => Err(Error::new(Code::AccessDenied, no_storage().message)),
            };
            // The guest may have ended meanwhile.
            _ = told.send(stored);
        });
        Ok(self.table.push(OpenUpload { parts, is_taken: false, outcome, work })?)
    }

    fn stream(
        &mut self,
        upload: Resource<OpenUpload>,
    ) -> wasmtime::Result<Option<Resource<DynOutputStream>>> {
        let upload = self.table.get_mut(&upload)?;
        if std::mem::replace(&mut upload.is_taken, true) {
            return Ok(None);
        }
        let stream: DynOutputStream = Box::new(Parts(upload.parts.clone()));
        Ok(Some(self.table.push(stream)?))
    }

    async fn finish(&mut self, upload: Resource<OpenUpload>) -> Answer<wit::Stored> {
        let mut upload = self.table.delete(upload)?;
        // Nobody takes it when storing has failed already; then the outcome says why.
        _ = upload.parts.send(Part::End).await;
        let ended = || Error::new(Code::InternalError, "the upload ended before its time");
        let stored = (&mut upload.outcome).await.unwrap_or_else(|_| Err(ended()));
        Ok(stored.map(words::stored).map_err(words::error))
    }

    fn drop(&mut self, upload: Resource<OpenUpload>) -> wasmtime::Result<()> {
        self.table.delete(upload)?;
        Ok(())
    }
}

/// The guest's end. Once storing has failed it is closed; `finish` tells why.
struct Parts(mpsc::Sender<Part>);

#[async_trait::async_trait]
impl Pollable for Parts {
    async fn ready(&mut self) {
        _ = self.0.reserve().await;
    }
}

#[async_trait::async_trait]
impl OutputStream for Parts {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        match self.0.try_send(Part::Chunk(bytes)) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(StreamError::Closed),
            Err(mpsc::error::TrySendError::Full(_)) => {
                Err(StreamError::trap("more was written than check-write allows"))
            }
        }
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        if self.0.is_closed() {
            return Err(StreamError::Closed);
        }
        Ok(if self.0.capacity() == 0 { 0 } else { WRITE_BYTES_MAX })
    }
}
