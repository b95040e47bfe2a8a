//! A connection that left HTTP keeps its invocation's place until either side closes it or the wall
//! clock runs out.
//!
//! The function takes the connection out of its request before it answers 101, and gets it after: so
//! the pool puts an [`Upgrade`] of its own into the request, and the invocation follows once the
//! answer is a 101.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use isobase_base::{Body, BodyError, Upgrade, UpgradedIo};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::invocation::Invocation;
use crate::running::{Running, State, Waits};

/// Where the invocation of a 101 waits for its connection. Gone when the function wants none.
#[derive(Default)]
pub(crate) struct Handover(Weak<Slot>);

type Slot = Mutex<Option<Invocation>>;
type Connection = Box<dyn UpgradedIo>;

/// Takes the place of the gateway's upgrade in `request`, if it offers one.
pub(crate) fn intercept(request: &mut Request<Body>) -> Handover {
    let Some(pending) = request.extensions_mut().remove::<Upgrade>().and_then(|upgrade| upgrade.take())
    else {
        return Handover::default();
    };
    let slot = Arc::new(Slot::default());
    let handover = Handover(Arc::downgrade(&slot));
    request.extensions_mut().insert(Upgrade::new(Box::pin(async move {
        let connection = pending.await?;
        let invocation = slot.lock().take();
        let invocation = invocation.ok_or_else(|| BodyError::Source("the answer was no 101".to_owned()))?;
        Ok(Box::new(HeldConnection(Running::start(connection, invocation))) as Connection)
    })));
    handover
}

impl Handover {
    /// Leaves the invocation for the connection of a 101; gives it back where none will come.
    pub(crate) fn accept(&self, response: &Response<Body>, invocation: Invocation) -> Option<Invocation> {
        match self.0.upgrade() {
            Some(slot) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                *slot.lock() = Some(invocation);
                None
            }
            _ => Some(invocation),
        }
    }
}

struct HeldConnection(Arc<Running<Connection>>);

impl HeldConnection {
    fn poll<T>(
        &self,
        context: &mut Context<'_>,
        waits: Waits,
        act: impl FnOnce(Pin<&mut Connection>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut *self.0.state.lock() {
            State::Running { inner, wakers, .. } => {
                let polled = act(Pin::new(inner), context);
                if polled.is_pending() {
                    wakers.keep(waits, context);
                }
                polled
            }
            State::BrokenOff { why } => Poll::Ready(Err(io::Error::other(why.clone()))),
            State::Done => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl Drop for HeldConnection {
    fn drop(&mut self) {
        self.0.finish(None);
    }
}

impl AsyncRead for HeldConnection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll(context, Waits::ToRead, |connection, context| connection.poll_read(context, buffer))
    }
}

impl AsyncWrite for HeldConnection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(context, Waits::ToWrite, |connection, context| connection.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(context, Waits::ToWrite, |connection, context| connection.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(context, Waits::ToWrite, |connection, context| connection.poll_shutdown(context))
    }
}
