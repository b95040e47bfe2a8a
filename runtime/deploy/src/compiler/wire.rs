//! Messages over a socket: a length in four bytes, then postcard.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(super) fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = postcard::to_extend(message, vec![0; 4]).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len() - 4).map_err(io::Error::other)?;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

/// `None`: the other side closed between two messages.
pub(super) fn receive<T: DeserializeOwned>(mut stream: &UnixStream) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    if stream.read(&mut length[..1])? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[1..])?;
    let mut bytes = Vec::new();
    let length = u32::from_le_bytes(length);
    // What was promised is not reserved: it comes, or it does not.
    if stream.take(length.into()).read_to_end(&mut bytes)? < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    postcard::from_bytes(&bytes).map(Some).map_err(io::Error::other)
}

pub(super) fn send(mut stream: &UnixStream, encoded: &[u8]) -> io::Result<()> {
    stream.write_all(encoded)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::{encode, receive, send};

    #[test]
    fn messages_arrive_whole_or_not_at_all() {
        let (near, far) = UnixStream::pair().unwrap();
        let message = ("text".to_owned(), vec![1_u64, u64::MAX]);
        send(&near, &encode(&message).unwrap()).unwrap();
        assert_eq!(receive::<(String, Vec<u64>)>(&far).unwrap(), Some(message.clone()));
        send(&near, &encode(&message).unwrap()[..5]).unwrap();
        drop(near);
        assert!(receive::<(String, Vec<u64>)>(&far).is_err());
        assert!(receive::<u8>(&far).unwrap().is_none());
    }
}
