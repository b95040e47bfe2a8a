//! Passwords that follow from other ones, so that there is no second place to keep them.

use isobase_base::hex;
use sha2::{Digest, Sha256};

/// 256 bits in hexadecimal, which say nothing about `secret`. `purpose` keeps several apart.
pub(crate) fn derived(purpose: &str, secret: &[u8]) -> String {
    hex(&Sha256::new().chain_update(purpose).chain_update(b"\0").chain_update(secret).finalize())
}
