//! Why a call of the storage failed.

use std::fmt;

use super::host;

/// A failed call. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// A code of Supabase Storage: `NoSuchKey`, `KeyAlreadyExists`, `AccessDenied`, `EntityTooLarge`, ….
    pub code: String,
    /// The number that goes with it: 404, 409, 403, 413, ….
    pub status: u16,
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Error {}

impl From<host::Error> for Error {
    fn from(host::Error { code, status, message }: host::Error) -> Self {
        Self { code, status, message }
    }
}
