//! Frames of a WebSocket server (RFC 6455 §5.2): never masked, never fragmented. They are written
//! here and not by a library, so that one frame's bytes can be shared by all sockets it goes to.

use bytes::{BufMut, Bytes, BytesMut};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Pong = 0xA,
}

const FINAL: u8 = 0x80;
/// Lengths up to it fit into the second byte.
const SHORT_MAX: usize = 125;
const SIXTEEN_BITS: u8 = 126;
const SIXTY_FOUR_BITS: u8 = 127;
/// The longest head.
const HEAD_BYTES_MAX: usize = 10;

/// A whole frame whose payload is `parts`, one after another.
pub(crate) fn frame(opcode: Opcode, parts: &[&[u8]]) -> Bytes {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut frame = BytesMut::with_capacity(HEAD_BYTES_MAX + length);
    frame.put_u8(FINAL | opcode as u8);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if length <= SHORT_MAX => frame.put_u8(short),
        (_, Ok(medium)) => {
            frame.put_u8(SIXTEEN_BITS);
            frame.put_u16(medium);
        }
        _ => {
            frame.put_u8(SIXTY_FOUR_BITS);
            frame.put_u64(length as u64);
        }
    }
    for part in parts {
        frame.put_slice(part);
    }
    frame.freeze()
}

/// Why a socket is closed (RFC 6455 §7.4.1, and the registry of close codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseCode {
    /// Said by the client, or nothing more to say.
    Normal = 1000,
    Protocol = 1002,
    TooBig = 1009,
    /// The host ends; clients come back by themselves.
    Restart = 1012,
    TryAgainLater = 1013,
}

pub(crate) fn close(code: CloseCode) -> Bytes {
    frame(Opcode::Close, &[&(code as u16).to_be_bytes()])
}

#[cfg(test)]
mod tests {
    use super::{CloseCode, Opcode, close, frame};

    #[test]
    fn the_examples_of_the_rfc() {
        assert_eq!(frame(Opcode::Text, &[b"Hel", b"lo"])[..], [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        assert_eq!(frame(Opcode::Binary, &[&[0; 256]])[..4], [0x82, 0x7e, 0x01, 0x00]);
        let large = frame(Opcode::Binary, &[&[0; 65_536]]);
        assert_eq!(large[..10], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(frame(Opcode::Binary, &[&[0; 65_535]])[..4], [0x82, 0x7e, 0xff, 0xff]);
        assert_eq!(frame(Opcode::Binary, &[&[0; 125]])[..2], [0x82, 125]);
        assert_eq!(close(CloseCode::Restart)[..], [0x88, 2, 0x03, 0xf4]);
    }
}
