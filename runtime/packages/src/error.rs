//! Why packages could not be had. Texts are for whoever deploys: they name settings, never what is secret in them.

use std::sync::Arc;

/// Copyable, since one failure may be told for several imports.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PackagesError {
    #[error("{file}: {problem}")]
    Settings { file: String, problem: String },
    #[error("{file} is no lock file that can be read: {problem}")]
    Lock { file: String, problem: String },
    #[error("there is no package {name} at the registry that {setting} names")]
    NoPackage { name: String, setting: String },
    #[error("no version of {name} matches {wanted:?}; {exist}")]
    NoVersion { name: String, wanted: String, exist: String },
    #[error("{wanted} cannot be resolved: {problem}")]
    Unresolvable { wanted: String, problem: String },
    #[error("{what} could not be fetched from the registry that {setting} names: {problem}")]
    Registry { what: String, setting: String, problem: FetchError },
    #[error("{url} could not be fetched: {problem}")]
    Remote { url: String, problem: FetchError },
    #[error("{what} is not what was published: its hash is {found}, and {expected} was expected")]
    Integrity { what: String, expected: String, found: String },
    #[error("the registry tells no hash of {0}, so it cannot be checked")]
    NoIntegrity(String),
    #[error("{package} cannot be unpacked: {problem}")]
    Archive { package: String, problem: String },
    #[error("the function needs more than {0} packages")]
    TooMany(usize),
    #[error("the cache of packages at {folder} does not work: {problem}")]
    Cache { folder: String, problem: Arc<std::io::Error> },
}

/// Why nothing, or the wrong thing, came from the network.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchError {
    #[error("{0}")]
    Send(String),
    #[error("it took longer than {0} s")]
    Timeout(u64),
    #[error("the answer was {0}")]
    Status(u16),
    #[error("the answer was {0}; the credentials may be missing or wrong")]
    Denied(u16),
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    #[error("it redirects too often")]
    Redirects,
    #[error("the answer makes no sense: {0}")]
    Malformed(String),
}

impl PackagesError {
    /// Whether it may go well another time with nothing changed: somebody else could not be reached.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Registry { problem, .. } | Self::Remote { problem, .. } => problem.may_pass(),
            Self::Settings { .. }
            | Self::Lock { .. }
            | Self::NoPackage { .. }
            | Self::NoVersion { .. }
            | Self::Unresolvable { .. }
            | Self::Integrity { .. }
            | Self::NoIntegrity(_)
            | Self::Archive { .. }
            | Self::TooMany(_)
            | Self::Cache { .. } => false,
        }
    }
}

impl FetchError {
    /// Whether another attempt, or what was fetched before, is worth a try.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Send(_) | Self::Timeout(_) => true,
            Self::Status(status) => *status >= 500 || *status == 429 || *status == 408,
            Self::Denied(_) | Self::TooLarge(_) | Self::Redirects | Self::Malformed(_) => false,
        }
    }
}
