//! AES-256-GCM (NIST SP 800-38D) over one value. The nonce is random: of 2^32 values under one key,
//! far more than there will be, two share one with a chance below 2^-32.

use aes_gcm::aead::{Aead, AeadCore, KeyInit, OsRng, Payload};
use aes_gcm::{Aes256Gcm, Nonce};

use crate::{RootKey, SecretName};

const NONCE_BYTES: usize = 12;

/// Seals and opens. Never printed.
#[derive(Clone)]
pub(crate) struct Sealer(Aes256Gcm);

/// As it lies in the table.
pub(crate) struct Sealed {
    pub(crate) nonce: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
}

impl Sealer {
    pub(crate) fn new(key: &RootKey) -> Self {
        Self(Aes256Gcm::new(&key.derived("isobase secrets 1").into()))
    }

    /// `function` is empty for a secret of the project.
    pub(crate) fn seal(&self, function: &str, name: &SecretName, value: &str) -> Sealed {
        let nonce = Aes256Gcm::generate_nonce(&mut OsRng);
        let place = place(function, name.as_str());
        let payload = Payload { msg: value.as_bytes(), aad: &place };
        let ciphertext = self.0.encrypt(&nonce, payload).expect("a value is far below AES-GCM's bound");
        Sealed { nonce: nonce.to_vec(), ciphertext }
    }

    /// `None` when it was sealed under another key or in another place, or was changed since.
    pub(crate) fn open(&self, function: &str, name: &str, sealed: &Sealed) -> Option<String> {
        if sealed.nonce.len() != NONCE_BYTES {
            return None;
        }
        let place = place(function, name);
        let payload = Payload { msg: &sealed.ciphertext, aad: &place };
        let value = self.0.decrypt(Nonce::from_slice(&sealed.nonce), payload).ok()?;
        String::from_utf8(value).ok()
    }
}

/// What the seal covers beside the value. Neither part can hold a zero byte.
fn place(function: &str, name: &str) -> Vec<u8> {
    [function, name].join("\0").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::{Sealed, Sealer};
    use crate::{RootKey, SecretName};

    fn sealer(digit: &str) -> Sealer {
        Sealer::new(&RootKey::parse(&digit.repeat(64)).unwrap())
    }

    #[test]
    fn opens_in_its_place_only() {
        let name = SecretName::parse("KEY").unwrap();
        let sealed = sealer("1").seal("pay", &name, "hunter2 🔑");
        let open = |sealer: Sealer, function: &str, name: &str| sealer.open(function, name, &sealed);
        assert_eq!(open(sealer("1"), "pay", "KEY").as_deref(), Some("hunter2 🔑"));
        assert_eq!(open(sealer("2"), "pay", "KEY"), None);
        assert_eq!(open(sealer("1"), "", "KEY"), None);
        assert_eq!(open(sealer("1"), "pay", "OTHER"), None);
        assert!(!sealed.ciphertext.windows(7).any(|bytes| bytes == b"hunter2"));
    }

    #[test]
    fn every_bit_counts_and_no_two_seals_are_the_same() {
        let name = SecretName::parse("KEY").unwrap();
        let sealer = sealer("1");
        let (one, two) = (sealer.seal("", &name, "same"), sealer.seal("", &name, "same"));
        assert_ne!(one.nonce, two.nonce);
        assert_ne!(one.ciphertext, two.ciphertext);
        for at in 0..one.ciphertext.len() {
            let mut ciphertext = one.ciphertext.clone();
            ciphertext[at] ^= 1;
            let changed = Sealed { nonce: one.nonce.clone(), ciphertext };
            assert_eq!(sealer.open("", "KEY", &changed), None);
        }
        let short = Sealed { nonce: vec![0; 3], ciphertext: one.ciphertext };
        assert_eq!(sealer.open("", "KEY", &short), None);
    }
}
