//! What can go wrong, under the names that Supabase Storage gives it.

use isobase_base::BodyError;
use isobase_database::Error as DatabaseError;

use crate::BlobError;

/// Why a call has no result. `message` is written for whoever called; it names no file of the host.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    pub code: Code,
    pub message: String,
}

/// The error codes of Supabase Storage that this host gives; their texts and statuses are clients' to
/// rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    AccessDenied,
    /// The body that was being stored broke off.
    Aborted,
    DatabaseError,
    DatabaseReadOnly,
    DatabaseTimeout,
    EntityTooLarge,
    InternalError,
    InvalidJwt,
    InvalidKey,
    InvalidMimeType,
    InvalidParameter,
    InvalidRange,
    InvalidRequest,
    InvalidSignature,
    KeyAlreadyExists,
    NoSuchBucket,
    NoSuchKey,
    ResourceLocked,
    ResourceReferenced,
    SlowDown,
}

impl Code {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDenied",
            Self::Aborted => "Aborted",
            Self::DatabaseError => "DatabaseError",
            Self::DatabaseReadOnly => "DatabaseReadOnly",
            Self::DatabaseTimeout => "DatabaseTimeout",
            Self::EntityTooLarge => "EntityTooLarge",
            Self::InternalError => "InternalError",
            Self::InvalidJwt => "InvalidJWT",
            Self::InvalidKey => "InvalidKey",
            Self::InvalidMimeType => "InvalidMimeType",
            Self::InvalidParameter => "InvalidParameter",
            Self::InvalidRange => "InvalidRange",
            Self::InvalidRequest => "InvalidRequest",
            Self::InvalidSignature => "InvalidSignature",
            Self::KeyAlreadyExists => "KeyAlreadyExists",
            Self::NoSuchBucket => "NoSuchBucket",
            Self::NoSuchKey => "NoSuchKey",
            Self::ResourceLocked => "ResourceLocked",
            Self::ResourceReferenced => "ResourceReferenced",
            Self::SlowDown => "SlowDown",
        }
    }

    /// `statusCode` in the body of Supabase Storage's errors.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidJwt
            | Self::InvalidKey
            | Self::InvalidParameter
            | Self::InvalidRequest
            | Self::InvalidSignature => 400,
            Self::AccessDenied => 403,
            Self::NoSuchBucket | Self::NoSuchKey => 404,
            Self::KeyAlreadyExists | Self::ResourceReferenced => 409,
            Self::EntityTooLarge => 413,
            Self::InvalidMimeType => 415,
            Self::InvalidRange => 416,
            Self::ResourceLocked => 423,
            Self::SlowDown => 429,
            Self::Aborted | Self::DatabaseError | Self::InternalError => 500,
            Self::DatabaseReadOnly => 503,
            Self::DatabaseTimeout => 544,
        }
    }
}

impl Error {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(crate) fn no_such_bucket() -> Self {
        Self::new(Code::NoSuchBucket, "Bucket not found")
    }

    pub(crate) fn no_such_key() -> Self {
        Self::new(Code::NoSuchKey, "Object not found")
    }

    pub(crate) fn too_large() -> Self {
        Self::new(Code::EntityTooLarge, "The object exceeded the maximum allowed size")
    }

    /// The host's own fault: what happened is for its log.
    pub(crate) fn internal(what: &str, error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "{what}; see whether the storage folder's disk is full or failing");
        Self::new(Code::InternalError, what)
    }

    /// Whether the statement that failed may have been committed all the same.
    pub(crate) fn leaves_doubt(error: &DatabaseError) -> bool {
        match error {
            DatabaseError::Unavailable(_) | DatabaseError::TimedOut => true,
            DatabaseError::Sql(error) => error.sqlstate.starts_with("08") || error.sqlstate == "57P01",
            DatabaseError::Exhausted(_) | DatabaseError::Refused(_) | DatabaseError::Body(_) => false,
        }
    }
}

impl From<DatabaseError> for Error {
    fn from(error: DatabaseError) -> Self {
        let sql = match error {
            DatabaseError::Sql(error) => error,
            DatabaseError::Exhausted(_) => {
                return Self::new(Code::SlowDown, "Too many connections issued to the database");
            }
            DatabaseError::TimedOut => {
                return Self::new(Code::DatabaseTimeout, "The connection to the database timed out");
            }
            DatabaseError::Unavailable(_) => {
                return Self::new(Code::DatabaseError, "the database is not available");
            }
            DatabaseError::Refused(why) => return Self::new(Code::AccessDenied, why),
            DatabaseError::Body(why) => return Self::new(Code::Aborted, why),
        };
        match sql.sqlstate.as_str() {
            "42501" => Self::new(Code::AccessDenied, sql.message),
            "23505" => Self::new(Code::KeyAlreadyExists, "The resource already exists"),
            "23503" => Self::new(Code::ResourceReferenced, "The related resource does not exist"),
            "55P03" => Self::new(Code::ResourceLocked, "The resource is locked"),
            "57014" => Self::new(Code::DatabaseTimeout, sql.message),
            "25006" => Self::new(Code::DatabaseReadOnly, sql.message),
            "22P02" => Self::new(Code::InvalidParameter, sql.message),
            _ => Self::new(Code::DatabaseError, sql.message),
        }
    }
}

impl From<BlobError> for Error {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::TooLarge { .. } | BlobError::Body(BodyError::TooLarge { .. }) => Self::too_large(),
            BlobError::Body(error) => Self::new(Code::Aborted, error.to_string()),
            BlobError::Missing => Self::new(Code::NoSuchKey, "The resource was not found"),
            BlobError::Range { bytes } => Self::new(
                Code::InvalidRange,
                format!("the object has {bytes} bytes; the range asks for none of them"),
            ),
            BlobError::Mismatch => Self::new(Code::InvalidRequest, error.to_string()),
            BlobError::Disk(error) => Self::internal("the object could not be read or written", &error),
        }
    }
}
