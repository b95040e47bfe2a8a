//! Result bytes to values.
//!
//! Results are asked for in text format, so that every type there is, extensions' too, arrives as
//! Postgres prints it and none is guessed at. Only bytea comes in binary once its column is known:
//! hex doubles it.

use bytes::Bytes;
use fallible_iterator::FallibleIterator;
use postgres_protocol::Oid;
use postgres_protocol::message::backend::DataRowBody;

use crate::Value;

const BOOL: Oid = 16;
pub(crate) const BYTEA: Oid = 17;
const INT8: Oid = 20;
const INT2: Oid = 21;
const INT4: Oid = 23;
const OID: Oid = 26;
const JSON: Oid = 114;
const FLOAT4: Oid = 700;
const FLOAT8: Oid = 701;
const JSONB: Oid = 3802;

/// Documents below this are copied out of the read buffer, so that a small answer does not keep a
/// large buffer alive.
const COPY_BYTES_MAX: usize = 16 * 1024;

/// How the server was asked to send bytea.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteaFormat {
    Text,
    Binary,
}

/// The server sent what its own description rules out.
#[derive(Debug, thiserror::Error)]
#[error("the server sent a malformed {0}")]
pub(crate) struct Malformed(&'static str);

impl Malformed {
    pub(crate) fn of(what: &'static str) -> Self {
        Self(what)
    }
}

/// All columns of a row as values.
pub(crate) fn row(body: &DataRowBody, oids: &[Oid], bytea: ByteaFormat) -> Result<Vec<Value>, Malformed> {
    let mut values = Vec::with_capacity(oids.len());
    let mut ranges = body.ranges();
    for &oid in oids {
        let range = ranges.next().ok().flatten().ok_or(Malformed("row"))?;
        values.push(match range {
            None => Value::Null,
            Some(range) => value(&body.buffer()[range], oid, bytea)?,
        });
    }
    Ok(values)
}

/// All columns but the last as values, the last as bytes.
pub(crate) fn document(
    body: &DataRowBody,
    oids: &[Oid],
    bytea: ByteaFormat,
) -> Result<(Vec<Value>, Option<Bytes>), Malformed> {
    let (&last, head) = oids.split_last().ok_or(Malformed("row"))?;
    let mut values = Vec::with_capacity(head.len());
    let mut ranges = body.ranges();
    let mut next = || ranges.next().ok().flatten().ok_or(Malformed("row"));
    for &oid in head {
        values.push(match next()? {
            None => Value::Null,
            Some(range) => value(&body.buffer()[range], oid, bytea)?,
        });
    }
    let Some(range) = next()? else { return Ok((values, None)) };
    let bytes = if last == BYTEA && bytea == ByteaFormat::Text {
        bytea_text(&body.buffer()[range])?
    } else if range.len() < COPY_BYTES_MAX {
        Bytes::copy_from_slice(&body.buffer()[range])
    } else {
        body.buffer_bytes().slice(range)
    };
    Ok((values, Some(bytes)))
}

/// The last column as bytes; none for SQL null.
pub(crate) fn last(body: &DataRowBody, oids: &[Oid], bytea: ByteaFormat) -> Result<Option<Bytes>, Malformed> {
    let &last = oids.last().ok_or(Malformed("row"))?;
    let range = body.ranges().last().map_err(|_| Malformed("row"))?.ok_or(Malformed("row"))?;
    let Some(range) = range else { return Ok(None) };
    Ok(Some(if last == BYTEA && bytea == ByteaFormat::Text {
        bytea_text(&body.buffer()[range])?
    } else {
        body.buffer_bytes().slice(range)
    }))
}

pub(crate) fn value(bytes: &[u8], oid: Oid, bytea: ByteaFormat) -> Result<Value, Malformed> {
    if oid == BYTEA {
        return Ok(Value::Bytes(match bytea {
            ByteaFormat::Binary => Bytes::copy_from_slice(bytes),
            ByteaFormat::Text => bytea_text(bytes)?,
        }));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed("text"))?;
    Ok(match oid {
        BOOL => Value::Boolean(text == "t"),
        INT2 | INT4 => Value::Int32(text.parse().map_err(|_| Malformed("integer"))?),
        INT8 | OID => Value::Int64(text.parse().map_err(|_| Malformed("integer"))?),
        FLOAT4 | FLOAT8 => Value::Float64(text.parse().map_err(|_| Malformed("float"))?),
        JSON | JSONB => Value::Json(text.to_owned()),
        _ => Value::Text(text.to_owned()),
    })
}

/// bytea as text: `\x` and hex, or the older escape format where a server is set to it.
fn bytea_text(text: &[u8]) -> Result<Bytes, Malformed> {
    match text.strip_prefix(b"\\x") {
        Some(hex) => hex
            .chunks(2)
            .map(|pair| match pair {
                [high, low] => Some(digit(*high, 16)? << 4 | digit(*low, 16)?),
                _ => None,
            })
            .collect::<Option<Vec<u8>>>(),
        None => escaped(text),
    }
    .map(Bytes::from)
    .ok_or(Malformed("bytea"))
}

/// bytea in hex that comes in pieces, after its prefix.
#[derive(Debug, Default)]
pub(crate) struct HexPieces {
    /// The first digit of a byte whose second is in the next piece.
    half: Option<u8>,
}

impl HexPieces {
    pub(crate) const PREFIX: &'static [u8] = b"\\x";

    pub(crate) fn decode(&mut self, piece: &[u8]) -> Result<Bytes, Malformed> {
        let mut bytes = Vec::with_capacity(piece.len() / 2 + 1);
        for &character in piece {
            let low = digit(character, 16).ok_or(Malformed("bytea"))?;
            match self.half.take() {
                Some(high) => bytes.push(high << 4 | low),
                None => self.half = Some(low),
            }
        }
        Ok(bytes.into())
    }
}

fn escaped(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    while let Some((&first, rest)) = text.split_first() {
        text = match (first, rest) {
            (b'\\', [b'\\', rest @ ..]) => {
                bytes.push(b'\\');
                rest
            }
            (b'\\', [a, b, c, rest @ ..]) => {
                let octal =
                    u32::from(digit(*a, 8)?) << 6 | u32::from(digit(*b, 8)?) << 3 | u32::from(digit(*c, 8)?);
                bytes.push(u8::try_from(octal).ok()?);
                rest
            }
            (b'\\', _) => return None,
            _ => {
                bytes.push(first);
                rest
            }
        };
    }
    Some(bytes)
}

fn digit(byte: u8, radix: u32) -> Option<u8> {
    char::from(byte).to_digit(radix).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::bytea_text;

    #[test]
    fn bytea_is_read_in_both_text_formats() {
        for (text, bytes) in [
            (&b"\\x"[..], Some(&b""[..])),
            (b"\\x00ff10", Some(b"\x00\xff\x10")),
            (b"a\\\\b\\000\\377", Some(b"a\\b\x00\xff")),
            (b"\\x0", None),
            (b"\\xzz", None),
            (b"\\9", None),
            (b"\\777", None),
        ] {
            assert_eq!(bytea_text(text).ok().as_deref(), bytes, "{text:?}");
        }
    }
}
