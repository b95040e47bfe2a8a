//! A streaming response keeps its invocation's place until the last byte, a failure, the end of
//! the wall clock, or until the client goes away.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body as _, Frame, SizeHint};
use isobase_base::{Body, BodyError, FailureKind};
use tokio::time::{Sleep, sleep_until};

use crate::invocation::Invocation;
use crate::running::{Clocked, Running, State, Waits};

/// Ends the invocation of a response that is complete, or that the host brings to its end; keeps that of one
/// that streams.
pub(crate) fn hold(response: Response<Body>, mut invocation: Invocation) -> Response<Body> {
    let needs_nobody = matches!(response.body(), Body::Full(_) | Body::FromHost(_));
    if needs_nobody || response.body().is_end_stream() {
        invocation.end(None);
        return response;
    }
    response.map(|body| Body::wrap(HeldBody { running: Running::start(body, invocation), timer: None }))
}

struct HeldBody {
    running: Arc<Running<Body>>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl HeldBody {
    fn poll_running(&self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut state = self.running.state.lock();
        let State::Running { inner: body, wakers, .. } = &mut *state else {
            return Poll::Ready(match std::mem::replace(&mut *state, State::Done) {
                State::BrokenOff { why } => Some(Err(BodyError::Source(why))),
                State::Running { .. } | State::Done => None,
            });
        };
        let polled = Pin::new(&mut *body).poll_frame(context);
        if polled.is_pending() {
            wakers.keep(Waits::ToRead, context);
            return polled;
        }
        let is_end = body.is_end_stream();
        drop(state);
        match &polled {
            Poll::Ready(Some(Ok(_))) if !is_end => {}
            Poll::Ready(Some(Err(error))) => {
                self.running.finish(Some((failure_kind(error), &error.to_string())));
            }
            Poll::Ready(Some(Ok(_)) | None) | Poll::Pending => self.running.finish(None),
        }
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
        let end = self.running.end;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if timer.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.running.enforce(end);
        self.poll_running(context)
    }

    fn is_end_stream(&self) -> bool {
        match &*self.running.state.lock() {
            State::Running { inner, .. } => inner.is_end_stream(),
            State::BrokenOff { .. } => false,
            State::Done => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &*self.running.state.lock() {
            State::Running { inner, .. } => inner.size_hint(),
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
