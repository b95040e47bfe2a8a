//! Private keys behind a passphrase (PKCS #8, PBES2 of RFC 8018). Such a key says itself how much work its
//! passphrase takes, so who writes it chooses how long native code computes, or how much memory it fills.

use deno_core::op2;
use deno_error::JsErrorBox;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;
use pkcs8::{EncryptedPrivateKeyInfo, SecretDocument};

use super::native::{judge_filling, judge_iterations};

/// Of the key for the cipher, in bytes: no cipher of PBES2 takes a longer one.
const CIPHER_KEY_BYTES: u64 = 32;
/// What scrypt fills for each unit of its cost and of its block size, in bytes (RFC 7914, section 2).
const SCRYPT_UNIT_BYTES: u64 = 128;

/// Judges the work behind the passphrase of `key`, as PEM or DER. Returns how many bytes are filled. What is no
/// such key is for the operation that reads it to refuse.
#[op2(fast)]
#[number]
pub(crate) fn op_isobase_judge_encrypted_key(#[buffer] key: &[u8]) -> Result<u64, JsErrorBox> {
    let pem = std::str::from_utf8(key).ok().and_then(|text| SecretDocument::from_pem(text).ok());
    let der = pem.as_ref().map_or(key, |(_, document)| document.as_bytes());
    let Ok(key) = EncryptedPrivateKeyInfo::try_from(der) else { return Ok(0) };
    let EncryptionScheme::Pbes2(parameters) = key.encryption_algorithm else { return Ok(0) };
    match parameters.kdf {
        Kdf::Pbkdf2(kdf) => judge_iterations(kdf.iteration_count.into(), CIPHER_KEY_BYTES).map(|()| 0),
        Kdf::Scrypt(kdf) => {
            let unit = SCRYPT_UNIT_BYTES * u64::from(kdf.block_size);
            let bytes = kdf.cost_parameter.saturating_mul(unit);
            judge_filling(bytes, kdf.parallelization.into()).map(|()| bytes)
        }
        _ => Ok(0),
    }
}
