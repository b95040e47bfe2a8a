//! What can be wrong with a project's files, in words for the person at the terminal.

use std::fmt;
use std::path::PathBuf;

use super::DotenvError;

/// Why a project could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    #[error("there is no {}; run `isobase init` here, or pass the project's folder with --workdir", path.display())]
    NotFound { path: PathBuf },
    #[error("cannot read {}: {error}", path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
    /// The file is not TOML.
    #[error("{file}:{line}:{column}: {message}")]
    Syntax { file: String, line: usize, column: usize, message: String },
    /// Values that cannot be used; never empty.
    #[error("{}", lines(.0))]
    Invalid(Vec<Fault>),
    #[error("{}:{}: {}", path.display(), error.line, error.problem)]
    Dotenv { path: PathBuf, error: DotenvError },
}

/// A known key with a value that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `supabase/config.toml:7`, or the name of the environment variable that set it.
    pub place: String,
    /// `auth.jwt_expiry`.
    pub key: String,
    /// What was expected and what was found.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}: {}", self.place, self.key, self.problem)
    }
}

/// Something that a person should see and that stops nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// `supabase/config.toml:7`.
    pub place: String,
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)
    }
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
