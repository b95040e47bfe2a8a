//! Why a webhook is not believed.

use std::fmt;

/// A webhook that was refused. Says nothing that would help to forge one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The header that carries the signature, its time or the event's id is not there.
    Missing(String),
    /// The header is there and cannot be read.
    Malformed(String),
    /// No signature was made with the secret, over this body.
    Signature,
    /// It was signed longer ago than the tolerance.
    TooOld,
    /// It was signed further ahead of this clock than the tolerance.
    TooNew,
}

impl Error {
    /// A word for programs; the same in all languages.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing-header",
            Self::Malformed(_) => "malformed-header",
            Self::Signature => "bad-signature",
            Self::TooOld => "too-old",
            Self::TooNew => "too-new",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(header) => write!(formatter, "the header {header} is missing"),
            Self::Malformed(header) => write!(formatter, "the header {header} cannot be read"),
            Self::Signature => formatter.write_str("no signature fits the body and the secret"),
            Self::TooOld => formatter.write_str("it was signed too long ago"),
            Self::TooNew => formatter.write_str("it was signed in the future"),
        }
    }
}

impl std::error::Error for Error {}

/// A secret that cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnusableSecret {
    Empty,
    /// Standard Webhooks secrets are base64 after `whsec_`.
    NotBase64,
}

impl fmt::Display for UnusableSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Empty => "the webhook's secret is empty",
            Self::NotBase64 => "the webhook's secret is not base64 after whsec_",
        })
    }
}

impl std::error::Error for UnusableSecret {}
