//! Where a server listens.

use std::fmt;
use std::path::PathBuf;

/// One place to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp {
        host: String,
        port: u16,
    },
    /// The socket file itself, not its folder.
    Unix {
        path: PathBuf,
    },
}

impl Address {
    /// The socket file that a server with this port keeps in `folder`.
    pub(crate) fn unix(folder: &std::path::Path, port: u16) -> Self {
        Self::Unix { path: folder.join(format!(".s.PGSQL.{port}")) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(formatter, "{host}:{port}"),
            Self::Unix { path } => write!(formatter, "{}", path.display()),
        }
    }
}
