//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>), level 1.

use std::fmt;

use crate::hex::{hex, push_hex};
use crate::random;

/// The trace a request belongs to: a caller's, continued, or a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    sampled: bool,
}

impl TraceContext {
    /// A new trace with a random id, sampled.
    pub fn generate() -> Self {
        Self { trace_id: random::bytes(), span_id: random::bytes(), sampled: true }
    }

    /// Continues the trace named by a `traceparent` header under a new span, or `None` when the
    /// header is not of the form `00-<32 hex>-<16 hex>-<2 hex>` with non-zero ids.
    pub fn continue_from(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let version: [u8; 1] = decode_hex(version)?;
        let only_known_parts = version[0] != 0 || parts.next().is_none();
        if version[0] == 0xff || !only_known_parts {
            return None;
        }
        let trace_id: [u8; 16] = decode_hex(trace)?;
        let parent: [u8; 8] = decode_hex(span)?;
        let flags: [u8; 1] = decode_hex(flags)?;
        if trace_id == [0; 16] || parent == [0; 8] {
            return None;
        }
        Some(Self { trace_id, span_id: random::bytes(), sampled: flags[0] & 1 == 1 })
    }

    /// What all requests of the trace have in common.
    pub fn trace_id_bytes(&self) -> [u8; 16] {
        self.trace_id
    }

    /// 32 lower-case hex digits.
    pub fn trace_id(&self) -> String {
        hex(&self.trace_id)
    }
}

/// Prints as a `traceparent` header value.
impl fmt::Display for TraceContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(TRACEPARENT_BYTES);
        text.push_str("00-");
        push_hex(&mut text, &self.trace_id);
        text.push('-');
        push_hex(&mut text, &self.span_id);
        text.push_str(if self.sampled { "-01" } else { "-00" });
        formatter.write_str(&text)
    }
}

/// Of version 00.
const TRACEPARENT_BYTES: usize = 55;

/// Lower-case hex only, as the recommendation demands.
fn decode_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() != N * 2 {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::TraceContext;

    #[test]
    fn a_callers_trace_is_continued_under_a_new_span() {
        let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = TraceContext::continue_from(header).unwrap();
        assert_eq!(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(trace.to_string(), header);
        assert!(trace.to_string().starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    }

    #[test]
    fn malformed_headers_are_ignored() {
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra",
        ] {
            assert_eq!(TraceContext::continue_from(bad), None, "{bad}");
        }
    }
}
