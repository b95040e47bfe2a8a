//! A socket with its two buffers.
//!
//! There is no task per connection: whoever holds the connection drives it, so that a request costs
//! one write, one wake and one read, and its bytes cross no channel. All waits are cancel-safe: what
//! was sent or received before a drop stays in the buffers, and the next holder goes on from there.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use isobase_base::limits::DATABASE_RESULT_BYTES_MAX;
use postgres_protocol::message::backend::{DATA_ROW_TAG, Header, Message};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio_util::io::poll_read_buf;

use super::Address;
use super::socket::Socket;

/// Room made before each read: an ordinary answer arrives in one.
const READ_BYTES: usize = 8 * 1024;
/// A buffer that a large parameter or row has grown beyond this is given back, so that idle
/// connections hold no memory to speak of.
const KEPT_BYTES: usize = 64 * 1024;
/// Room for the parts of a row that is not read whole: several reads fill it one after another.
const PARTS_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Wire {
    socket: Socket,
    inbox: BytesMut,
    outbox: BytesMut,
    /// Bytes to come of a row that is handed out in parts.
    row_left: usize,
}

/// What came.
pub(crate) enum Arrival {
    Message(Message),
    /// A row longer than is taken whole; [`Wire::part`] hands out what is in it. What nobody takes is
    /// passed over.
    LongRow,
}

/// Why the bytes stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    #[error("the server closed the connection")]
    Closed,
    #[error("the server sent a message of {bytes} bytes; at most {DATABASE_RESULT_BYTES_MAX} are taken")]
    TooLong { bytes: usize },
}

impl Wire {
    pub(super) async fn connect(address: &Address) -> io::Result<Self> {
        let socket = Socket::connect(address).await?;
        Ok(Self { socket, inbox: BytesMut::new(), outbox: BytesMut::new(), row_left: 0 })
    }

    /// Messages to go out with the next [`Wire::flush`].
    pub(crate) fn outbox(&mut self) -> &mut BytesMut {
        &mut self.outbox
    }

    /// Sends all of the outbox: one system call, unless it is larger than the kernel's buffer. What the
    /// server answers meanwhile is taken in: it would not read on before somebody does.
    pub(crate) async fn flush(&mut self) -> Result<(), WireError> {
        while !self.outbox.is_empty() {
            if poll_fn(|context| self.poll_exchange(context)).await? == 0 {
                return Err(WireError::Closed);
            }
        }
        if self.outbox.capacity() > KEPT_BYTES {
            self.outbox = BytesMut::new();
        }
        Ok(())
    }

    /// Writes some bytes, or reads some when none can be written.
    fn poll_exchange(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.socket).poll_write(context, &self.outbox) {
            Poll::Ready(Ok(count)) => {
                self.outbox.advance(count);
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending if self.inbox.len() > DATABASE_RESULT_BYTES_MAX => Poll::Pending,
            Poll::Pending => {
                self.inbox.reserve(READ_BYTES);
                poll_read_buf(Pin::new(&mut self.socket), context, &mut self.inbox)
            }
        }
    }

    /// The next message of the server.
    pub(crate) async fn message(&mut self) -> Result<Message, WireError> {
        self.pass_over().await?;
        loop {
            if let Some(message) = self.arrived()? {
                return Ok(message);
            }
            let missing = self.missing()?;
            self.receive(missing).await?;
        }
    }

    /// The next message, where a row of more than `row_bytes_max` that is not here yet is not read whole.
    pub(crate) async fn arrival(&mut self, row_bytes_max: usize) -> Result<Arrival, WireError> {
        self.pass_over().await?;
        loop {
            if let Some(message) = self.arrived()? {
                return Ok(Arrival::Message(message));
            }
            if self.begins_row_beyond(row_bytes_max)? {
                return Ok(Arrival::LongRow);
            }
            let missing = self.missing()?;
            self.receive(missing).await?;
        }
    }

    /// The next bytes of a long row, as they come; none at its end.
    pub(crate) async fn part(&mut self) -> Result<Option<Bytes>, WireError> {
        if self.row_left == 0 {
            return Ok(None);
        }
        if self.inbox.is_empty() {
            // What was handed out shares the room with what comes, so that small reads waste none.
            let room = if self.inbox.capacity() < READ_BYTES { PARTS_BYTES } else { 0 };
            self.receive_into(room).await?;
        }
        let count = self.inbox.len().min(self.row_left);
        self.row_left -= count;
        Ok(Some(self.inbox.split_to(count).freeze()))
    }

    /// The next `count` bytes of a long row.
    pub(crate) async fn part_of(&mut self, count: usize) -> Result<Bytes, WireError> {
        if count > self.row_left.min(DATABASE_RESULT_BYTES_MAX) {
            return Err(WireError::TooLong { bytes: count });
        }
        while self.inbox.len() < count {
            self.receive(count - self.inbox.len()).await?;
        }
        self.row_left -= count;
        Ok(self.inbox.split_to(count).freeze())
    }

    /// Leaves out what nobody took of a long row.
    async fn pass_over(&mut self) -> Result<(), WireError> {
        while self.row_left > 0 {
            self.part().await?;
        }
        Ok(())
    }

    async fn receive(&mut self, missing: usize) -> Result<(), WireError> {
        self.receive_into(missing.max(READ_BYTES)).await
    }

    async fn receive_into(&mut self, room: usize) -> Result<(), WireError> {
        self.inbox.reserve(room);
        match self.socket.read_buf(&mut self.inbox).await? {
            0 => Err(WireError::Closed),
            _ => Ok(()),
        }
    }

    /// Whether a row of more than `row_bytes_max` has begun. Its head is taken off then.
    fn begins_row_beyond(&mut self, row_bytes_max: usize) -> Result<bool, WireError> {
        let Some(header) = Header::parse(&self.inbox)? else { return Ok(false) };
        let bytes = usize::try_from(header.len()).unwrap_or(0);
        if header.tag() != DATA_ROW_TAG || bytes <= row_bytes_max {
            return Ok(false);
        }
        // The length counts itself.
        self.inbox.advance(size_of::<u8>() + size_of::<i32>());
        self.row_left = bytes - size_of::<i32>();
        Ok(true)
    }

    /// What is still to come of the message that has begun, so that a large one is given its room once
    /// and not by doubling, which takes three times as much.
    fn missing(&self) -> Result<usize, WireError> {
        let Some(header) = Header::parse(&self.inbox)? else { return Ok(0) };
        let bytes = usize::try_from(header.len()).unwrap_or(usize::MAX);
        if bytes > DATABASE_RESULT_BYTES_MAX {
            return Err(WireError::TooLong { bytes });
        }
        Ok((bytes + size_of::<u8>()).saturating_sub(self.inbox.len()))
    }

    /// The next message, when all of it has arrived.
    fn arrived(&mut self) -> Result<Option<Message>, WireError> {
        let Some(header) = Header::parse(&self.inbox)? else { return Ok(None) };
        let bytes = usize::try_from(header.len()).unwrap_or(usize::MAX);
        // Asked for what is not here yet, the codec makes room for all of it.
        if self.inbox.len() <= bytes {
            return Ok(None);
        }
        let message = Message::parse(&mut self.inbox)?;
        if message.is_some() && bytes > KEPT_BYTES && self.inbox.len() < KEPT_BYTES {
            // The message keeps the large buffer as long as it lives; the inbox must not.
            self.inbox = BytesMut::from(&self.inbox[..]);
        }
        Ok(message)
    }

    /// Whether a whole message is here, so that reading it takes no wait.
    pub(crate) fn has_message(&self) -> bool {
        let Ok(Some(header)) = Header::parse(&self.inbox) else { return false };
        usize::try_from(header.len()).is_ok_and(|bytes| bytes + size_of::<u8>() <= self.inbox.len())
    }

    /// Whether nothing waits to be sent.
    pub(crate) fn is_flushed(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Whether an idle connection has ended: the server closed it, or sent the reason why it will.
    /// Anything else that arrives unasked (a notice, a changed parameter) is kept for later.
    pub(crate) fn has_hung_up(&mut self) -> bool {
        let mut scrap = [0; 512];
        loop {
            match self.socket.try_read(&mut scrap) {
                Ok(0) => return true,
                Ok(count) => self.inbox.extend_from_slice(&scrap[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return true,
            }
        }
        self.inbox.first() == Some(&postgres_protocol::message::backend::ERROR_RESPONSE_TAG)
    }

    /// Tells the server that the session ends, if the kernel takes it at once; otherwise closing
    /// the socket tells it.
    pub(crate) fn say_goodbye(&mut self) {
        if self.outbox.is_empty() {
            frontend::terminate(&mut self.outbox);
            let _ = self.socket.try_write(&self.outbox);
        }
    }

    /// Reads until the peer closes.
    pub(super) async fn until_closed(&mut self) {
        while matches!(self.socket.read_buf(&mut self.inbox).await, Ok(count) if count > 0) {
            self.inbox.clear();
        }
    }
}
