//! What goes between the host and a process besides requests: a length in four bytes, then postcard.
//!
//! What a process says is judged as what a stranger says: it is bounded, and names nothing but its own.

mod function;
mod outcome;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

pub(crate) use function::SentFunction;
pub(crate) use outcome::{CALL, Call, OUTCOME, Outcome, SentFailure, failure, take, write};

/// The first message to a process, before its sandbox is closed: what holds for all functions.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) host: u32,
    pub(crate) cache_dir: PathBuf,
    pub(crate) is_production: bool,
    pub(crate) gateway: Option<SocketAddr>,
    pub(crate) closed_ports: Vec<u16>,
}

/// From the host.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    Run(Box<SentFunction>),
    /// Take no more requests, for the reason with this number.
    Retire(u8),
    /// The host has no further use for the function: end when it has finished what it began.
    Release,
    Resolved {
        id: u32,
        found: Result<Vec<IpAddr>, String>,
    },
}

/// From a process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The sandbox is closed and an isolate made. The host takes this descriptor.
    Ready {
        listener: i32,
    },
    Booted(Result<(), SentFailure>),
    Line {
        /// None: the function logged too fast, and so many lines as the message begins with are gone.
        version: Option<u64>,
        request_id: Option<[u8; 16]>,
        level: u8,
        message: String,
    },
    State(State),
    Resolve {
        id: u32,
        name: String,
    },
}

/// What the pool asks of a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) retirement: Option<u8>,
    pub(crate) memory_bytes: u64,
    pub(crate) queue_delay_micros: u32,
    /// Of all its invocations, and what was between them.
    pub(crate) cpu_nanos: u64,
}

pub(crate) fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = postcard::to_extend(message, vec![0; 4]).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len() - 4).map_err(io::Error::other)?;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

pub(crate) async fn send(stream: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> io::Result<()> {
    stream.write_all(&encode(message)?).await
}

/// `None`: the other side has closed between two messages.
pub(crate) async fn receive<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
    bytes_max: u32,
) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    if stream.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[1..]).await?;
    let length = u32::from_le_bytes(length);
    if length > bytes_max {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    // What was promised is not reserved: it comes, or it does not.
    if stream.take(length.into()).read_to_end(&mut bytes).await? < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    postcard::from_bytes(&bytes).map(Some).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::{Report, encode, receive};

    #[tokio::test]
    async fn messages_are_bounded_and_arrive_whole() {
        let encoded = encode(&Report::Ready { listener: 7 }).unwrap();
        let read = receive::<Report>(&mut &encoded[..], 100).await.unwrap();
        assert!(matches!(read, Some(Report::Ready { listener: 7 })));
        assert!(receive::<Report>(&mut &encoded[..], 1).await.is_err());
        assert!(receive::<Report>(&mut &encoded[..5], 100).await.is_err());
        assert!(receive::<Report>(&mut &[][..], 100).await.unwrap().is_none());
    }
}
