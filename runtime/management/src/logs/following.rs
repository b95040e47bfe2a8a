//! The body of a response that goes on.

use std::error::Error;

use bytes::Bytes;
use futures::{Stream, stream};
use isobase_base::BodyError;
use isobase_base::limits::FUNCTION_LOG_FOLLOW_BEAT;
use isobase_logs::LogFollower;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::lines;

/// One follower and its place among those that there may be.
pub(super) struct Following {
    /// Read before; sent first.
    first: Bytes,
    follower: LogFollower,
    stopping: CancellationToken,
    has_failed: bool,
    _place: OwnedSemaphorePermit,
}

impl Following {
    pub(super) fn new(
        first: Bytes,
        follower: LogFollower,
        stopping: CancellationToken,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self { first, follower, stopping, has_failed: false, _place: place }
    }

    /// Read only as fast as the peer takes it; dropped when the peer is gone.
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static {
        stream::unfold(self, |mut following| async move {
            let chunk = following.chunk().await?;
            Some((chunk, following))
        })
    }

    /// `None` for an end in order.
    async fn chunk(&mut self) -> Option<Result<Bytes, BodyError>> {
        if self.has_failed {
            return None;
        }
        if !self.first.is_empty() {
            return Some(Ok(std::mem::take(&mut self.first)));
        }
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => None,
            read = self.follower.next() => match read {
                Ok(entries) => entries.map(|entries| Ok(lines(&entries))),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn Error, "a follower of the functions' log was cut off");
                    self.has_failed = true;
                    Some(Err(BodyError::Source("the log cannot be read".into())))
                }
            },
            () = tokio::time::sleep(FUNCTION_LOG_FOLLOW_BEAT) => Some(Ok(Bytes::from_static(b"\n"))),
        }
    }
}
