//! A resource of the isolate as a body for the host: read on the isolate's thread, handed over in pieces.

use std::rc::Rc;

use bytes::Bytes;
use deno_core::Resource;
use isobase_base::limits::STORAGE_UPLOAD_CHUNKS_WAITING_MAX;
use isobase_base::{Body, BodyError};
use tokio::sync::mpsc;

/// How much one read asks for, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// A body without its end was broken off.
enum Part {
    Chunk(Bytes),
    End,
    Broken(String),
}

type Parts = mpsc::Receiver<Part>;

/// The body, and what must be polled beside whoever reads it.
pub(super) fn body_of(resource: Rc<dyn Resource>) -> (Body, impl Future<Output = ()>) {
    let (sender, receiver) = mpsc::channel(STORAGE_UPLOAD_CHUNKS_WAITING_MAX);
    let body = Body::from_stream(futures::stream::unfold(Some(receiver), next_part));
    let pump = async move {
        pump(&resource, sender).await;
        resource.close();
    };
    (body, pump)
}

async fn next_part(parts: Option<Parts>) -> Option<(Result<Bytes, BodyError>, Option<Parts>)> {
    let mut parts = parts?;
    let broken = |why: String| Some((Err(BodyError::Source(why)), None));
    match parts.recv().await {
        Some(Part::Chunk(chunk)) => Some((Ok(chunk), Some(parts))),
        Some(Part::End) => None,
        Some(Part::Broken(why)) => broken(why),
        None => broken("the body was given up".to_owned()),
    }
}

/// Copies chunks until the end, or until nobody takes them any more.
async fn pump(resource: &Rc<dyn Resource>, sender: mpsc::Sender<Part>) {
    loop {
        let read = tokio::select! {
            read = resource.clone().read(CHUNK_BYTES) => read,
            () = sender.closed() => return,
        };
        let part = match read {
            Ok(chunk) if chunk.is_empty() => Part::End,
            Ok(chunk) => Part::Chunk(Bytes::copy_from_slice(&chunk)),
            Err(error) => Part::Broken(error.to_string()),
        };
        let is_last = !matches!(part, Part::Chunk(_));
        if sender.send(part).await.is_err() || is_last {
            return;
        }
    }
}
