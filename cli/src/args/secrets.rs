//! `isobase secrets …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::HostArguments;

#[derive(Debug, Subcommand)]
pub(crate) enum SecretsCommand {
    /// Set secrets; functions see them at once
    Set(SetSecretsArguments),
    /// List names and digests
    List(ListSecretsArguments),
    /// Forget secrets
    Unset(UnsetSecretsArguments),
}

#[derive(Args)]
pub(crate) struct SetSecretsArguments {
    /// NAME=VALUE; the shell's history remembers values given here, a file's it does not
    pub(crate) secrets: Vec<String>,
    /// Read them from a file in dotenv format
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// For this function alone
    #[arg(long, value_name = "SLUG")]
    pub(crate) function: Option<String>,
    #[command(flatten)]
    pub(crate) host: HostArguments,
}

/// Shows no values.
impl std::fmt::Debug for SetSecretsArguments {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SetSecretsArguments")
            .field("secrets", &self.secrets.len())
            .field("env_file", &self.env_file)
            .field("function", &self.function)
            .field("project", &self.host.project)
            .finish()
    }
}

#[derive(Debug, Args)]
pub(crate) struct ListSecretsArguments {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) host: HostArguments,
}

#[derive(Debug, Args)]
pub(crate) struct UnsetSecretsArguments {
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
    /// Of this function alone
    #[arg(long, value_name = "SLUG")]
    pub(crate) function: Option<String>,
    #[command(flatten)]
    pub(crate) host: HostArguments,
}
