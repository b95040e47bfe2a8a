//! Which bytes of an object are asked for.

use crate::{Code, Error};

/// A part of an object, in HTTP's terms (RFC 9110 §14.1.2): both ends count, and without a first byte
/// `last` is how many bytes of the end are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    pub first: Option<u64>,
    pub last: Option<u64>,
}

impl ByteRange {
    /// Offset and length within an object of `bytes` bytes.
    pub(crate) fn within(self, bytes: u64) -> Result<(u64, u64), Error> {
        let (first, end) = match (self.first, self.last) {
            (Some(first), Some(last)) if last >= first => (first, last.saturating_add(1).min(bytes)),
            (Some(first), None) => (first, bytes),
            (None, Some(count)) => (bytes.saturating_sub(count), bytes),
            _ => return Err(unsatisfiable(bytes)),
        };
        if first >= end { Err(unsatisfiable(bytes)) } else { Ok((first, end - first)) }
    }
}

fn unsatisfiable(bytes: u64) -> Error {
    Error::new(Code::InvalidRange, format!("the object has {bytes} bytes; the range asks for none of them"))
}

#[cfg(test)]
mod tests {
    use super::ByteRange;

    #[test]
    fn ranges_are_those_of_http() {
        for (first, last, expected) in [
            (Some(0), Some(3), Some((0, 4))),
            (Some(2), None, Some((2, 8))),
            (Some(8), Some(100), Some((8, 2))),
            (None, Some(3), Some((7, 3))),
            (None, Some(100), Some((0, 10))),
            (Some(10), None, None),
            (Some(5), Some(4), None),
            (None, Some(0), None),
            (None, None, None),
            (Some(0), Some(u64::MAX), Some((0, 10))),
        ] {
            let range = ByteRange { first, last };
            assert_eq!(range.within(10).ok(), expected, "{range:?}");
        }
    }
}
