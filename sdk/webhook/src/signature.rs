//! Signatures as bytes, and whether a key made them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// An HMAC-SHA256.
pub(crate) struct Signature([u8; 32]);

/// What a request says of itself.
pub(crate) struct Claim {
    pub(crate) signed_at: Option<u64>,
    /// What is signed in front of the body.
    pub(crate) before_body: String,
    /// At least one; any may fit.
    pub(crate) signatures: Vec<Signature>,
}

impl Signature {
    pub(crate) fn hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() {
            return None;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }

    pub(crate) fn base64(text: &str) -> Option<Self> {
        Some(Self(STANDARD.decode(text).ok()?.try_into().ok()?))
    }
}

impl Claim {
    /// In time that does not tell how much of a signature is right.
    pub(crate) fn is_signed_by(&self, key: &[u8], body: &[u8]) -> bool {
        let Ok(begun) = Hmac::<Sha256>::new_from_slice(key) else { return false };
        let mac = begun.chain_update(&self.before_body).chain_update(body);
        self.signatures.iter().any(|signature| mac.clone().verify_slice(&signature.0).is_ok())
    }
}
