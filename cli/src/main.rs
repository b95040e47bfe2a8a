//! The `isobase` binary: a table of contents. Each command is a file under `commands/`; what
//! `start` builds is in `assemble/`, the only place that names every room.

mod args;
mod assemble;
mod banner;
mod commands;
mod compiler;
mod function_lines;
mod function_process;
mod json_lines;
mod kept_keys;
mod keys;
mod log_lines;
mod logging;
mod paint;
mod remote;
mod run_state;
mod sdk;
mod terminal;
mod webhooks;
mod well_known;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command, FunctionsCommand, WebhooksCommand};

/// The system's allocator makes threads wait for each other where one frees what another has allocated,
/// which is what a gateway and its isolates do with every request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A setting or argument is wrong: `EX_USAGE` of sysexits.h.
const EXIT_BAD_CONFIG: u8 = 64;
/// What was asked could not be done.
const EXIT_FAILED: u8 = 1;

/// Marks an error as the caller's: bad arguments or bad configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BadConfig;

impl std::fmt::Display for BadConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the configuration is not usable")
    }
}

fn functions(command: FunctionsCommand) -> anyhow::Result<()> {
    match command {
        FunctionsCommand::New(arguments) => commands::functions_new::run(&arguments),
        FunctionsCommand::Deploy(arguments) => commands::functions_deploy::run(&arguments),
        FunctionsCommand::List(arguments) => commands::functions_list::run(&arguments),
        FunctionsCommand::Versions(arguments) => commands::functions_list::versions(&arguments),
        FunctionsCommand::Rollback(arguments) => commands::functions_traffic::rollback(&arguments),
        FunctionsCommand::Split(arguments) => commands::functions_traffic::split(&arguments),
        FunctionsCommand::Delete(arguments) => commands::functions_traffic::delete(&arguments),
        FunctionsCommand::Logs(arguments) => commands::functions_logs::run(&arguments),
        FunctionsCommand::Stats(arguments) => commands::functions_stats::run(&arguments),
        FunctionsCommand::Invoke(arguments) => commands::functions_invoke::run(&arguments),
    }
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Init(arguments) => commands::init::run(&arguments),
        Command::Start(arguments) => commands::start::run(arguments),
        Command::Stop(arguments) => commands::stop::run(&arguments),
        Command::Status(arguments) => commands::status::run(&arguments),
        Command::Functions(command) => functions(command),
        Command::Secrets(command) => commands::secrets::run(command),
        Command::Compiler => isobase_deploy::serve_compiler().map_err(Into::into),
        Command::FunctionProcess => function_process::run(),
        Command::Webhooks(WebhooksCommand::List(arguments)) => commands::webhooks::list(&arguments),
        Command::Webhooks(WebhooksCommand::Show(arguments)) => commands::webhooks::show(&arguments),
        Command::Webhooks(WebhooksCommand::Replay(arguments)) => commands::webhooks::replay(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::error(&error);
            let bad_config = error.downcast_ref::<BadConfig>().is_some();
            ExitCode::from(if bad_config { EXIT_BAD_CONFIG } else { EXIT_FAILED })
        }
    }
}
