//! `isobase functions logs` and `stats`.

use clap::{Args, ValueEnum};
use isobase_base::limits::FUNCTION_LOG_READ_MAX;

use super::HostArguments;

#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// Name of the function [default: all]
    pub(crate) slug: Option<String>,
    /// Go on with what comes
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Entries since a time (2026-01-31T12:00:00Z) or for so long (90s, 10m, 2h, 1d)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Entries of this weight and above
    #[arg(long, default_value = "debug", value_name = "LEVEL")]
    pub(crate) level: LogLevel,
    /// At most so many entries, the newest, before following
    #[arg(long, short = 'n', default_value_t = 100, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(..=i64::from(FUNCTION_LOG_READ_MAX)))]
    pub(crate) limit: u32,
    /// Print a JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) host: HostArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

impl LogLevel {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct StatsArguments {
    /// Name of the function [default: all]
    pub(crate) slug: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) host: HostArguments,
}
