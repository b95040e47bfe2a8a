//! Passwords that follow from other ones, so that there is no second place to keep them.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// 256 bits in hexadecimal, which say nothing about `secret`. `purpose` keeps several apart.
pub(crate) fn derived(purpose: &str, secret: &[u8]) -> String {
    let digest = Sha256::new().chain_update(purpose).chain_update(b"\0").chain_update(secret).finalize();
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}
