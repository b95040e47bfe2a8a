//! A streaming response keeps its invocation's place until the last byte, a failure, the end of
//! the wall clock, or until the client goes away.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Body as _, Frame, SizeHint};
use isobase_base::{Body, BodyError, FailureKind};
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::invocation::{Invocation, wall_clock_over};

/// Ends the invocation of a response that is complete; keeps that of one that streams.
pub(crate) fn hold(response: Response<Body>, mut invocation: Invocation) -> Response<Body> {
    if response.body().is_end_stream() || matches!(response.body(), Body::Full(_)) {
        invocation.end(None);
        return response;
    }
    response.map(|body| {
        let lane = Arc::clone(invocation.lane());
        let (end, bound) = invocation.wall_clock();
        let running = Mutex::new(State::Running { body, invocation, waker: None });
        let stalled = Arc::new(Stalled { end, bound, running });
        lane.streams.lock().push(Arc::downgrade(&stalled));
        Body::wrap(HeldBody { stalled, timer: None })
    })
}

/// The shared part of a streaming response: the client polls it, and housekeeping can break it off
/// when the client does not.
pub(crate) struct Stalled {
    end: Instant,
    /// The wall clock limit that `end` comes from.
    bound: Duration,
    running: Mutex<State>,
}

enum State {
    Running { body: Body, invocation: Invocation, waker: Option<Waker> },
    BrokenOff { why: String },
    Done,
}

impl Stalled {
    /// Breaks the response off if its time is over. Whether it still runs.
    pub(crate) fn enforce(&self, now: Instant) -> bool {
        if now >= self.end {
            let failure = wall_clock_over(self.bound);
            self.break_off(failure.kind, &failure.detail);
        }
        matches!(*self.running.lock(), State::Running { .. })
    }

    /// Ends the invocation; the client reads an error where the next bytes would have been.
    pub(crate) fn break_off(&self, kind: FailureKind, why: &str) {
        let mut state = self.running.lock();
        if !matches!(*state, State::Running { .. }) {
            return;
        }
        let before = std::mem::replace(&mut *state, State::BrokenOff { why: why.to_owned() });
        // The guest's body may run code when dropped: not under the lock.
        drop(state);
        if let State::Running { body, mut invocation, waker } = before {
            invocation.end(Some((kind, why)));
            drop(body);
            drop(invocation);
            waker.inspect(Waker::wake_by_ref);
        }
    }
}

struct HeldBody {
    stalled: Arc<Stalled>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl HeldBody {
    fn poll_running(&self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut state = self.stalled.running.lock();
        let State::Running { body, invocation, waker } = &mut *state else {
            return Poll::Ready(match std::mem::replace(&mut *state, State::Done) {
                State::BrokenOff { why } => Some(Err(BodyError::Source(why))),
                State::Running { .. } | State::Done => None,
            });
        };
        let polled = Pin::new(&mut *body).poll_frame(context);
        match &polled {
            Poll::Pending => {
                if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                    *waker = Some(context.waker().clone());
                }
                return Poll::Pending;
            }
            Poll::Ready(Some(Ok(_))) if !body.is_end_stream() => return polled,
            Poll::Ready(Some(Ok(_)) | None) => invocation.end(None),
            Poll::Ready(Some(Err(error))) => {
                let detail = error.to_string();
                invocation.end(Some((failure_kind(error), &detail)));
            }
        }
        let ended = std::mem::replace(&mut *state, State::Done);
        drop(state);
        drop(ended);
        polled
    }
}

impl http_body::Body for HeldBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = self.poll_running(context);
        if polled.is_ready() {
            return polled;
        }
        let end = self.stalled.end;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if timer.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.stalled.enforce(end);
        self.poll_running(context)
    }

    fn is_end_stream(&self) -> bool {
        match &*self.stalled.running.lock() {
            State::Running { body, .. } => body.is_end_stream(),
            State::BrokenOff { .. } => false,
            State::Done => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &*self.stalled.running.lock() {
            State::Running { body, .. } => body.size_hint(),
            State::BrokenOff { .. } | State::Done => SizeHint::default(),
        }
    }
}

/// Whose fault it is that a response broke off: the function's, unless it only passed on what the
/// client sent.
fn failure_kind(error: &BodyError) -> FailureKind {
    match error {
        BodyError::Source(_) => FailureKind::Crashed,
        BodyError::Peer(_) | BodyError::TooLarge { .. } => FailureKind::Abandoned,
    }
}
