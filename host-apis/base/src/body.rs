//! Bodies that stay in the host. A [`Body`] crosses the gateway, the pool and the engines without
//! being copied; a guest touches its bytes only if it reads them.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use futures::future::BoxFuture;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncWrite};

/// A request or response body: nothing, bytes at hand, or a stream with back-pressure.
///
/// Dropping a body that has not ended tells its producer to stop.
#[derive(Default)]
pub enum Body {
    #[default]
    Empty,
    Full(Bytes),
    Stream(Streamed),
    /// A stream that the host makes by itself: the function that answered with it is done.
    FromHost(Streamed),
}

type Streamed = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send>>;

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More bytes came than the route allows. Answered with 413.
    #[error("the body is longer than {bytes_max} bytes")]
    TooLarge { bytes_max: u64 },
    /// The peer closed or reset the connection, or sent malformed framing.
    #[error("the peer broke off the body: {0}")]
    Peer(String),
    /// What produced the body failed after the response had begun.
    #[error("the source of the body failed: {0}")]
    Source(String),
}

impl Body {
    /// A body of the chunks that `stream` yields.
    pub fn from_stream(stream: impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static) -> Self {
        use futures::StreamExt;
        Self::wrap(http_body_util::StreamBody::new(stream.map(|chunk| chunk.map(Frame::data))))
    }

    /// Takes any body of the `http-body` ecosystem.
    pub fn wrap(body: impl http_body::Body<Data = Bytes, Error = BodyError> + Send + 'static) -> Self {
        Self::Stream(Box::pin(body))
    }

    /// A stream for which no function is needed any more.
    pub fn from_host(body: impl http_body::Body<Data = Bytes, Error = BodyError> + Send + 'static) -> Self {
        Self::FromHost(Box::pin(body))
    }

    /// Reads to the end, refusing to hold more than `bytes_max`.
    pub async fn collect(self, bytes_max: u64) -> Result<Bytes, BodyError> {
        let too_large = BodyError::TooLarge { bytes_max };
        match self {
            Self::Empty => Ok(Bytes::new()),
            Self::Full(bytes) if bytes.len() as u64 <= bytes_max => Ok(bytes),
            Self::Full(_) => Err(too_large),
            Self::Stream(mut stream) | Self::FromHost(mut stream) => {
                let mut whole = bytes::BytesMut::new();
                while let Some(frame) = stream.frame().await {
                    if let Ok(data) = frame?.into_data() {
                        if whole.is_empty() && stream.is_end_stream() && data.len() as u64 <= bytes_max {
                            return Ok(data);
                        }
                        if (whole.len() + data.len()) as u64 > bytes_max {
                            return Err(too_large);
                        }
                        whole.extend_from_slice(&data);
                    }
                }
                Ok(whole.freeze())
            }
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Stream(stream) | Self::FromHost(stream) => stream.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Stream(stream) | Self::FromHost(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(stream) | Self::FromHost(stream) => stream.size_hint(),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Full(bytes) }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => formatter.write_str("Body::Empty"),
            Self::Full(bytes) => write!(formatter, "Body::Full({} bytes)", bytes.len()),
            Self::FromHost(_) => formatter.write_str("Body::FromHost"),
            Self::Stream(_) => formatter.write_str("Body::Stream"),
        }
    }
}

/// A connection that leaves HTTP after a `101 Switching Protocols`: raw bytes both ways.
pub trait UpgradedIo: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> UpgradedIo for T {}

/// Put into a request's extensions by the gateway when the client asks for an upgrade (RFC 9110
/// §7.8). A function that answers 101 takes it out and awaits the connection, which arrives once
/// the 101 has been sent.
#[derive(Clone)]
pub struct Upgrade(std::sync::Arc<parking_lot::Mutex<Option<PendingUpgrade>>>);

type PendingUpgrade = BoxFuture<'static, Result<Box<dyn UpgradedIo>, BodyError>>;

impl Upgrade {
    pub fn new(pending: PendingUpgrade) -> Self {
        Self(std::sync::Arc::new(parking_lot::Mutex::new(Some(pending))))
    }

    /// The connection to come; `None` when somebody has taken it already.
    pub fn take(&self) -> Option<PendingUpgrade> {
        self.0.lock().take()
    }
}

#[cfg(test)]
mod tests {
    use super::{Body, BodyError};
    use bytes::Bytes;

    fn stream_of(chunks: &'static [&'static str]) -> Body {
        Body::from_stream(futures::stream::iter(
            chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))),
        ))
    }

    #[tokio::test]
    async fn collect_joins_chunks_up_to_its_bound() {
        assert_eq!(stream_of(&["ab", "cd"]).collect(4).await.unwrap(), "abcd");
        assert!(matches!(
            stream_of(&["ab", "cde"]).collect(4).await,
            Err(BodyError::TooLarge { bytes_max: 4 })
        ));
        assert!(matches!(Body::from("abcde").collect(4).await, Err(BodyError::TooLarge { .. })));
    }
}
