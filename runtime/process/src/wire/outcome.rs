//! What goes beside a request and its answer: a header each, in hexadecimal postcard. Neither side lets such a
//! header of anybody else pass.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use isobase_base::{Failure, FailureKind};
use isobase_engine::Usage;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// With every request to a process.
pub(crate) const CALL: HeaderName = HeaderName::from_static("x-isobase-call");
/// With every answer of a process, and as a trailer where a body streams.
pub(crate) const OUTCOME: HeaderName = HeaderName::from_static("x-isobase-outcome");

/// The circumstances of one invocation.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) request_id: [u8; 16],
    pub(crate) traceparent: String,
    pub(crate) deadline_millis: u64,
    pub(crate) client: IpAddr,
    /// It may leave HTTP.
    pub(crate) may_upgrade: bool,
    /// Headers that concern one connection, as the client sent them.
    pub(crate) connection: Vec<(String, Vec<u8>)>,
}

/// What became of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// The function did not answer; the body says why.
    pub(crate) failure: Option<u8>,
    /// The worker takes no more requests.
    pub(crate) retirement: Option<u8>,
    pub(crate) cpu_nanos: u64,
    pub(crate) memory_bytes: u64,
}

impl Outcome {
    pub(crate) fn note(&self, usage: &Usage) {
        usage.set_cpu(std::time::Duration::from_nanos(self.cpu_nanos));
        usage.set_memory(self.memory_bytes);
    }
}

/// A failure by its number.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SentFailure {
    kind: u8,
    detail: String,
}

impl SentFailure {
    pub(crate) fn new(failure: Failure) -> Self {
        Self { kind: failure.kind as u8, detail: failure.detail }
    }

    pub(crate) fn failure(self) -> Failure {
        failure(self.kind, self.detail)
    }
}

/// A number that no failure has is the process's fault.
pub(crate) fn failure(kind: u8, detail: String) -> Failure {
    let kind = FailureKind::ALL.get(usize::from(kind)).copied().unwrap_or(FailureKind::Crashed);
    Failure::new(kind, detail)
}

pub(crate) fn write(message: &impl Serialize) -> HeaderValue {
    let bytes = postcard::to_extend(message, Vec::new()).unwrap_or_default();
    HeaderValue::from_str(&isobase_base::hex(&bytes)).expect("hexadecimal digits")
}

/// Takes the header out.
pub(crate) fn take<T: DeserializeOwned>(headers: &mut HeaderMap, name: &HeaderName) -> Option<T> {
    let text = headers.remove(name)?;
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| u8::try_from(digit(pair[0])? << 4 | digit(*pair.get(1)?)?).ok();
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(pair).collect();
    postcard::from_bytes(&bytes?).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::{OUTCOME, Outcome, take, write};

    #[test]
    fn an_outcome_is_read_once_and_nonsense_is_none() {
        let outcome = Outcome { failure: Some(4), retirement: None, cpu_nanos: 1 << 40, memory_bytes: 3 };
        let mut headers = HeaderMap::new();
        headers.insert(OUTCOME, write(&outcome));
        let read: Outcome = take(&mut headers, &OUTCOME).unwrap();
        assert_eq!((read.failure, read.cpu_nanos), (Some(4), 1 << 40));
        assert!(headers.is_empty());
        for nonsense in ["", "0", "zz", "é"] {
            headers.insert(OUTCOME, nonsense.parse().unwrap());
            assert!(take::<Outcome>(&mut headers, &OUTCOME).is_none(), "{nonsense}");
        }
    }
}
