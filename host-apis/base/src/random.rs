//! Random bytes for identifiers: a request takes three, and a system call for each would be a
//! twentieth of the gateway's work.

use rand::RngCore;

/// From a generator of this thread (ChaCha, seeded and now and then seeded again by the system).
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::thread_rng().fill_bytes(&mut bytes);
    bytes
}
