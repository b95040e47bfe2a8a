//! The command line: names and flags as people know them from the Supabase CLI.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use isobase_base::limits::{FUNCTION_LOG_DAYS, FUNCTION_LOG_DAYS_MAX, WEBHOOKS_LISTED_MAX};

pub(crate) use functions::{LogsArguments, StatsArguments};
pub(crate) use inspect::InspectArguments;
pub(crate) use secrets::{ListSecretsArguments, SecretsCommand, SetSecretsArguments, UnsetSecretsArguments};

mod functions;
mod inspect;
mod secrets;

/// One binary that runs a whole Supabase-compatible backend.
#[derive(Debug, Parser)]
#[command(name = "isobase", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write supabase/config.toml for a new project
    Init(ProjectArguments),
    /// Start Postgres and the gateway for this project and serve its functions
    Start(StartArguments),
    /// Stop what `start` started; data stays
    Stop(ProjectArguments),
    /// Show URLs and keys of the running project
    Status(StatusArguments),
    /// Work with functions
    #[command(subcommand)]
    Functions(FunctionsCommand),
    /// Set, list and forget variables that only functions may see
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// Look at webhooks in the inbox and deliver them again
    #[command(subcommand)]
    Webhooks(WebhooksCommand),
    /// Compile sources for the host that started this
    #[command(hide = true)]
    Compiler,
    /// Run one function for the host that started this
    #[command(hide = true)]
    FunctionProcess,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FunctionsCommand {
    /// Write a new function under supabase/functions
    New(NewFunctionArguments),
    /// Deploy functions as new versions; all of supabase/functions where none is named
    Deploy(DeployArguments),
    /// List deployed functions
    List(HostArguments),
    /// List the versions of a function that can be gone back to
    Versions(FunctionArguments),
    /// Let the version before, or another one, answer again
    Rollback(RollbackArguments),
    /// Send a share of the requests to other versions
    Split(SplitArguments),
    /// Delete a deployed function with all its versions
    Delete(FunctionArguments),
    /// Call a function
    Invoke(InvokeArguments),
    /// Show what a function logged and how its invocations ended
    Logs(LogsArguments),
    /// Show invocations, errors, time and memory of functions since their host started
    Stats(StatsArguments),
}

/// Which isobase to talk to: the one that runs in the project's folder, or one elsewhere.
#[derive(Debug, Args)]
pub(crate) struct HostArguments {
    #[command(flatten)]
    pub(crate) project: ProjectArguments,
    /// Address of an isobase elsewhere, such as https://api.example.com [default: what runs in the folder]
    #[arg(long, env = "ISOBASE_URL", value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Its access token, as `isobase status` shows it there
    #[arg(long, env = "ISOBASE_ACCESS_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) access_token: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct FunctionArguments {
    /// Name of the function
    pub(crate) slug: String,
    #[command(flatten)]
    pub(crate) host: HostArguments,
}

#[derive(Debug, Args)]
pub(crate) struct DeployArguments {
    /// Names of functions [default: all]
    pub(crate) slugs: Vec<String>,
    /// Store the versions and leave what answers as it is; try them with their preview URLs
    #[arg(long)]
    pub(crate) preview: bool,
    /// Serve the functions to callers without a token, whatever config.toml says
    #[arg(long)]
    pub(crate) no_verify_jwt: bool,
    #[command(flatten)]
    pub(crate) host: HostArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArguments {
    /// Name of the function
    pub(crate) slug: String,
    /// The version to go to [default: the one that was live before]
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: Option<u64>,
    #[command(flatten)]
    pub(crate) host: HostArguments,
}

#[derive(Debug, Args)]
pub(crate) struct SplitArguments {
    /// Name of the function
    pub(crate) slug: String,
    /// VERSION=PERCENT, any number of times; the live version takes the rest, and all of it if there are none
    #[arg(value_name = "VERSION=PERCENT")]
    pub(crate) shares: Vec<String>,
    /// Keep each user, or address, with one version
    #[arg(long)]
    pub(crate) sticky: bool,
    #[command(flatten)]
    pub(crate) host: HostArguments,
}

#[derive(Debug, Args)]
pub(crate) struct InvokeArguments {
    /// Name of the function, and what follows it in the path
    pub(crate) slug: String,
    /// Body of the request; @FILE reads a file, - standard input
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) data: Option<String>,
    /// Method [default: POST with a body, GET without]
    #[arg(long, short = 'X', value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// Another header, as `name: value`
    #[arg(long, short = 'H', value_name = "HEADER")]
    pub(crate) header: Vec<String>,
    /// Call this version instead of the live one
    #[arg(long, value_name = "VERSION")]
    pub(crate) at: Option<u64>,
    /// Key to call with [default: the secret key of what runs in the folder]
    #[arg(long, env = "ISOBASE_KEY", hide_env_values = true, value_name = "KEY")]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) host: HostArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebhooksCommand {
    /// Show the newest webhooks
    List(ListWebhooksArguments),
    /// Show one webhook: what came, and what became of each attempt
    Show(WebhookArguments),
    /// Deliver a webhook once more
    Replay(WebhookArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ListWebhooksArguments {
    /// Only those of this function
    #[arg(long, value_name = "FUNCTION")]
    pub(crate) function: Option<String>,
    /// Only those in this state: waiting, delivering, delivered or dead
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(..=i64::from(WEBHOOKS_LISTED_MAX)))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) host: HostArguments,
}

#[derive(Debug, Args)]
pub(crate) struct WebhookArguments {
    /// The id that `webhooks list` shows and the sender was given
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) host: HostArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ProjectArguments {
    /// The project's folder: the one that holds `supabase/`
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    pub(crate) workdir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct StartArguments {
    #[command(flatten)]
    pub(crate) project: ProjectArguments,
    /// Address of the gateway; 0.0.0.0 opens it to the network
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub(crate) host: IpAddr,
    /// Port of the gateway [default: `api.port` of config.toml, 54321]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Port of the managed Postgres [default: `db.port` of config.toml, 54322]
    #[arg(long)]
    pub(crate) db_port: Option<u16>,
    /// Port of metrics and health, on 127.0.0.1 [default: 54328]
    #[arg(long)]
    pub(crate) admin_port: Option<u16>,
    /// Folder with Postgres' programs [default: found by itself]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) postgres_bin: Option<PathBuf>,
    /// Operating system user to run Postgres as when started by root [default: postgres]
    #[arg(long, value_name = "USER")]
    pub(crate) postgres_user: Option<String>,
    /// Also apply migrations older than the newest applied one
    #[arg(long)]
    pub(crate) include_all: bool,
    /// Use this Postgres instead of a managed one: postgresql://user:password@host:port/database
    #[arg(long, env = "ISOBASE_DB_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) db_url: Option<String>,
    /// Where the contents of stored objects lie; hosts that share a database share one folder
    /// [default: .isobase/storage in the project]
    #[arg(long, env = "ISOBASE_BLOB", value_name = "FOLDER")]
    pub(crate) blob: Option<PathBuf>,
    /// Serve deployed versions only, with keys of this host's own, and ignore source folders and seeds
    #[arg(long, conflicts_with_all = ["no_verify_jwt", "env_file", "inspection"])]
    pub(crate) production: bool,
    /// Serve functions to callers without a token, whatever config.toml says
    #[arg(long)]
    pub(crate) no_verify_jwt: bool,
    /// Variables of the functions [default: supabase/functions/.env]
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) inspection: InspectArguments,
    /// Return once everything is up, and go on in the background
    #[arg(long, short)]
    pub(crate) detach: bool,
    /// Days that the functions' log is kept
    #[arg(long, value_name = "DAYS", default_value_t = FUNCTION_LOG_DAYS, value_parser = clap::value_parser!(u32).range(1..=i64::from(FUNCTION_LOG_DAYS_MAX)))]
    pub(crate) function_log_days: u32,
    /// What all functions may hold in memory together, such as 4GiB; idle ones go first beyond it
    /// [default: 60 % of the machine's memory]
    #[arg(long, env = "ISOBASE_FUNCTION_MEMORY", value_name = "SIZE", value_parser = size)]
    pub(crate) function_memory: Option<u64>,
    /// What to log: error, warn, info, debug, or directives such as isobase_pool=debug
    #[arg(long, env = "ISOBASE_LOG", default_value = "info", value_name = "LEVEL")]
    pub(crate) log: String,
    /// How to log [default: text at a terminal, json elsewhere]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

fn size(text: &str) -> Result<u64, &'static str> {
    isobase_base::project::bytes(text)
        .filter(|bytes| *bytes > 0)
        .ok_or("expected a size such as 4GiB or 512MB")
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) project: ProjectArguments,
    #[arg(long, short, default_value = "pretty", value_name = "FORMAT")]
    pub(crate) output: StatusFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum StatusFormat {
    Pretty,
    Env,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct NewFunctionArguments {
    /// Name of the function, as in its URL
    pub(crate) slug: String,
    /// A Rust crate compiled to WebAssembly instead of a TypeScript file
    #[arg(long)]
    pub(crate) wasm: bool,
    #[command(flatten)]
    pub(crate) project: ProjectArguments,
}
