//! Tokens that arrive after the gateway has let a caller in: a socket outlives the token it was
//! opened with, and its client sends a new one in a message.

use std::time::SystemTime;

use crate::Principal;

/// Who a token speaks for, and until when.
#[derive(Clone, Debug)]
pub struct Credential {
    pub principal: Principal,
    /// `None` for a key that does not expire.
    pub expires_at: Option<SystemTime>,
}

/// Why a token is not believed. Says nothing of the token itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    #[error("the token is malformed")]
    Malformed,
    #[error("no key of this project made the token's signature")]
    Signature,
    #[error("the token has expired {seconds} seconds ago")]
    Expired { seconds: u64 },
    #[error("a claim of the token is missing or not acceptable")]
    Claims,
}

/// Checks tokens and API keys by the project's keys, as the gateway does for requests.
pub trait Verifier: Send + Sync {
    fn verify(&self, token: &str) -> Result<Credential, Unverified>;
}
