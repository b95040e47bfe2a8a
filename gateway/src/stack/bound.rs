//! Request bodies under a bound on size and on silence.

use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::task::AtomicWaker;
use http::StatusCode;
use http_body::{Frame, SizeHint};
use isobase_base::{Body, BodyError};
use tokio::time::{Instant, Sleep};

use crate::refusal::Refusal;

/// A request's body behind its bounds, and the alarm that says when one was broken.
pub(super) struct Guarded {
    pub(super) body: Body,
    pub(super) alarm: Option<Arc<Alarm>>,
}

/// Wraps `body`. One whose announced length is over the bound is refused before a byte is read.
pub(super) fn guard<B>(body: B, bytes_max: u64, idle_timeout: Duration) -> Result<Guarded, Refusal>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Display,
{
    if body.is_end_stream() {
        return Ok(Guarded { body: Body::Empty, alarm: None });
    }
    if body.size_hint().lower() > bytes_max {
        return Err(too_large(bytes_max));
    }
    let alarm = Arc::new(Alarm::default());
    let bounded = Bounded {
        inner: body,
        bytes_left: bytes_max,
        bytes_max,
        idle_timeout,
        // Made here and not where the body is first polled: that may be a thread without a timer.
        silence: Box::pin(tokio::time::sleep(idle_timeout)),
        is_waiting: false,
        alarm: alarm.clone(),
    };
    Ok(Guarded { body: Body::wrap(bounded), alarm: Some(alarm) })
}

fn too_large(bytes_max: u64) -> Refusal {
    let message = format!("The request body is longer than {bytes_max} bytes");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", message)
}

/// Tells the gateway that a body broke a bound, wherever the body is being read: the client is owed
/// a 413 or 408, not whatever a function makes of half a body.
#[derive(Default)]
pub(super) struct Alarm {
    cause: AtomicU8,
    waker: AtomicWaker,
}

const QUIET: u8 = 0;
const TOO_LARGE: u8 = 1;
const TOO_SLOW: u8 = 2;

impl Alarm {
    fn raise(&self, cause: u8) {
        self.cause.store(cause, Ordering::Release);
        self.waker.wake();
    }

    /// Ready once the body broke a bound. Cancel-safe; one waiter.
    pub(super) fn poll_raised(&self, context: &Context<'_>, bytes_max: u64) -> Poll<Refusal> {
        self.waker.register(context.waker());
        match self.cause.load(Ordering::Acquire) {
            QUIET => Poll::Pending,
            TOO_LARGE => Poll::Ready(too_large(bytes_max)),
            _ => Poll::Ready(Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                "REQUEST_TIMEOUT",
                "The request body came too slowly",
            )),
        }
    }
}

struct Bounded<B> {
    inner: B,
    bytes_left: u64,
    bytes_max: u64,
    idle_timeout: Duration,
    silence: Pin<Box<Sleep>>,
    is_waiting: bool,
    alarm: Arc<Alarm>,
}

impl<B> Bounded<B> {
    /// Pending until the peer has been silent for too long. Only time spent waiting for the peer
    /// counts: a function may leave its body unread for as long as it likes.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<BodyError> {
        if !self.is_waiting {
            self.is_waiting = true;
            self.silence.as_mut().reset(Instant::now() + self.idle_timeout);
        }
        ready!(self.silence.as_mut().poll(context));
        self.alarm.raise(TOO_SLOW);
        Poll::Ready(BodyError::Peer(format!("no byte came for {:?}", self.idle_timeout)))
    }
}

impl<B> http_body::Body for Bounded<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(polled) = Pin::new(&mut self.inner).poll_frame(context) else {
            return self.poll_silence(context).map(|error| Some(Err(error)));
        };
        self.is_waiting = false;
        Poll::Ready(match polled {
            None => None,
            Some(Err(error)) => Some(Err(BodyError::Peer(error.to_string()))),
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                match self.bytes_left.checked_sub(length) {
                    Some(left) => {
                        self.bytes_left = left;
                        Some(Ok(frame))
                    }
                    None => {
                        self.alarm.raise(TOO_LARGE);
                        Some(Err(BodyError::TooLarge { bytes_max: self.bytes_max }))
                    }
                }
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
