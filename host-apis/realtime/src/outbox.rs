//! What waits to be written to one socket. Filled by whoever publishes, emptied by the socket's own
//! task; bounded, because a peer that does not read must not hold the messages of everybody else.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use isobase_base::limits;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::frame::CloseCode;

/// How a socket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a close frame, after what waits already.
    Close(CloseCode),
    /// At once: the peer has gone, or takes nothing any more.
    Drop,
    /// At once, because too much waits.
    TooSlow,
}

/// The next thing to do for the socket's writer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Write(Bytes),
    End(Ending),
}

#[derive(Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Bytes>,
    bytes: usize,
    ending: Option<Ending>,
}

impl Outbox {
    /// Adds a frame. Beyond the bounds, the socket ends instead.
    pub(crate) fn push(&self, frame: Bytes) {
        let mut state = self.state.lock();
        if state.ending.is_some() {
            return;
        }
        let is_full = state.frames.len() >= limits::REALTIME_SOCKET_MESSAGES_MAX
            || state.bytes + frame.len() > limits::REALTIME_SOCKET_BYTES_MAX;
        if is_full {
            state.end(Ending::TooSlow);
        } else {
            state.bytes += frame.len();
            state.frames.push_back(frame);
        }
        drop(state);
        self.filled.notify_one();
    }

    /// The first call decides, unless a later one says that the peer has gone; nothing is added
    /// after it.
    pub(crate) fn end(&self, ending: Ending) {
        self.state.lock().end(ending);
        self.filled.notify_one();
    }

    /// Frames to write, joined into one piece of a useful size. One waiter; cancel-safe.
    pub(crate) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.state.lock().next() {
                return next;
            }
            self.filled.notified().await;
        }
    }
}

impl State {
    fn end(&mut self, ending: Ending) {
        // A peer that has gone reads no farewell.
        if ending == Ending::Drop {
            self.ending = Some(Ending::Drop);
        }
        match *self.ending.get_or_insert(ending) {
            Ending::Close(_) => {}
            Ending::Drop | Ending::TooSlow => self.forget(),
        }
    }

    fn forget(&mut self) {
        self.frames = VecDeque::new();
        self.bytes = 0;
    }

    fn next(&mut self) -> Option<Next> {
        let Some(first) = self.frames.pop_front() else { return self.ending.map(Next::End) };
        self.bytes -= first.len();
        if self.frames.is_empty() || first.len() >= limits::REALTIME_WRITE_BYTES {
            return Some(Next::Write(first));
        }
        let mut piece = BytesMut::with_capacity(self.bytes.min(limits::REALTIME_WRITE_BYTES) + first.len());
        piece.extend_from_slice(&first);
        while let Some(frame) = self.frames.front() {
            if piece.len() + frame.len() > limits::REALTIME_WRITE_BYTES {
                break;
            }
            self.bytes -= frame.len();
            piece.extend_from_slice(frame);
            self.frames.pop_front();
        }
        Some(Next::Write(piece.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Ending, Next, Outbox};
    use crate::frame::CloseCode;
    use bytes::Bytes;
    use isobase_base::limits;

    #[tokio::test]
    async fn frames_leave_in_order_and_together() {
        let outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"a"));
        assert_eq!(outbox.next().await, Next::Write("a".into()));
        outbox.push(Bytes::from_static(b"b"));
        outbox.push(Bytes::from_static(b"c"));
        outbox.end(Ending::Close(CloseCode::Restart));
        outbox.push(Bytes::from_static(b"late"));
        assert_eq!(outbox.next().await, Next::Write("bc".into()));
        assert_eq!(outbox.next().await, Next::End(Ending::Close(CloseCode::Restart)));
        outbox.end(Ending::Drop);
        assert_eq!(outbox.next().await, Next::End(Ending::Drop), "a peer that has gone is not waited for");
    }

    #[tokio::test]
    async fn a_socket_that_falls_behind_is_given_up() {
        let outbox = Outbox::default();
        for _ in 0..limits::REALTIME_SOCKET_MESSAGES_MAX {
            outbox.push(Bytes::from_static(b"x"));
        }
        outbox.push(Bytes::from_static(b"one too many"));
        assert_eq!(outbox.next().await, Next::End(Ending::TooSlow));

        let outbox = Outbox::default();
        outbox.push(Bytes::from(vec![0; limits::REALTIME_SOCKET_BYTES_MAX]));
        outbox.push(Bytes::from_static(b"x"));
        assert_eq!(outbox.next().await, Next::End(Ending::TooSlow));
    }
}
