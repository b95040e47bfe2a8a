//! Bodies that a guest handles and does not hold: collected, or moved on.

use bytes::{Bytes, BytesMut};
use isobase_base::{Body, BodyError, limits};
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError};
use wasmtime_wasi_http::p2::body::{HostIncomingBody, HostIncomingBodyStream};

/// Why a body could not be bound to a statement.
#[derive(Debug)]
pub(crate) enum Unbound {
    /// The guest has taken its stream already.
    Taken,
    /// It broke off or is too long; a sentence for the guest.
    Broken(String),
}

/// Reads `body` to its end. A body that came in one piece is not copied.
pub(crate) async fn collect(mut body: HostIncomingBody) -> Result<Bytes, Unbound> {
    let mut stream = body.take_stream().ok_or(Unbound::Taken)?;
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    loop {
        match stream.read(usize::MAX) {
            Ok(chunk) if chunk.is_empty() => stream.ready().await,
            Ok(chunk) => {
                if (first.len() + whole.len() + chunk.len()) as u64 > limits::DATA_BODY_BYTES_MAX {
                    let bytes_max = limits::DATA_BODY_BYTES_MAX;
                    return Err(Unbound::Broken(format!("the body is longer than {bytes_max} bytes")));
                }
                if first.is_empty() && whole.is_empty() {
                    first = chunk;
                } else {
                    whole.extend_from_slice(&std::mem::take(&mut first));
                    whole.extend_from_slice(&chunk);
                }
            }
            Err(StreamError::Closed) if whole.is_empty() => return Ok(first),
            Err(StreamError::Closed) => return Ok(whole.freeze()),
            Err(StreamError::LastOperationFailed(error) | StreamError::Trap(error)) => {
                return Err(Unbound::Broken(error.to_string()));
            }
        }
    }
}

/// `body` as the host's own word for it; what is read of it is taken from its source. `None` when the
/// guest has taken its stream already.
pub(crate) fn forwarded(mut body: HostIncomingBody) -> Option<Body> {
    let stream = body.take_stream()?;
    // The body keeps alive what it comes from.
    Some(Body::from_stream(futures::stream::unfold(Some((stream, body)), next_chunk)))
}

type Source = Option<(HostIncomingBodyStream, HostIncomingBody)>;

async fn next_chunk(source: Source) -> Option<(Result<Bytes, BodyError>, Source)> {
    let (mut stream, body) = source?;
    loop {
        match stream.read(usize::MAX) {
            Ok(chunk) if chunk.is_empty() => stream.ready().await,
            Ok(chunk) => return Some((Ok(chunk), Some((stream, body)))),
            Err(StreamError::Closed) => return None,
            Err(StreamError::LastOperationFailed(error) | StreamError::Trap(error)) => {
                return Some((Err(BodyError::Peer(error.to_string())), None));
            }
        }
    }
}

/// A body that broke off, in the words of `wasi:http`.
pub(crate) fn broken(error: BodyError) -> wasmtime_wasi_http::Error {
    wasmtime_wasi_http::Error::InternalError(Some(error.to_string()))
}
