//! Why a token was refused.

use isobase_base::limits;

use super::Algorithm;

/// A refused token. Never holds a part of the token itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct TokenError {
    pub reason: Reason,
    /// What the header claims to be signed with, where it could be read and is known to us.
    pub algorithm: Option<Algorithm>,
}

/// The rule a token broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("the token is longer than {} bytes", limits::TOKEN_BYTES_MAX)]
    TooLong,
    #[error("the token is empty")]
    Empty,
    #[error("expected 3 parts in the token, found {0}")]
    Parts(usize),
    #[error("a part of the token is not canonical base64url")]
    Encoding,
    #[error("the header or the payload is not one unambiguous JSON object")]
    Json,
    #[error("the header's member {0} is not acceptable")]
    Header(&'static str),
    #[error("the algorithm is unknown or not that of the key")]
    Algorithm,
    #[error("no key of this project has the token's kid")]
    UnknownKey,
    #[error("the signature does not match")]
    Signature,
    #[error("the token has expired")]
    Expired {
        /// Seconds since 1970.
        expires_at: u64,
    },
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("the token was issued in the future")]
    IssuedInFuture,
    #[error("the token is for another audience")]
    Audience,
    #[error("the token is from another issuer")]
    Issuer,
    #[error("the claim {0} is missing or of the wrong type")]
    Claim(&'static str),
    #[error("the token's role may not be used")]
    Role,
}

impl Reason {
    /// The error of a token whose algorithm is not known (yet).
    pub(super) fn early(self) -> TokenError {
        TokenError { reason: self, algorithm: None }
    }

    pub(super) fn of(self, algorithm: Algorithm) -> TokenError {
        TokenError { reason: self, algorithm: Some(algorithm) }
    }

    /// Whether the token was genuine and only its claims did not do.
    pub fn is_about_claims(self) -> bool {
        match self {
            Self::Expired { .. }
            | Self::NotYetValid
            | Self::IssuedInFuture
            | Self::Audience
            | Self::Issuer
            | Self::Claim(_)
            | Self::Role => true,
            Self::TooLong
            | Self::Empty
            | Self::Parts(_)
            | Self::Encoding
            | Self::Json
            | Self::Header(_)
            | Self::Algorithm
            | Self::UnknownKey
            | Self::Signature => false,
        }
    }
}
