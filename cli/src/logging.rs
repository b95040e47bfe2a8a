//! Where log lines go. Text for a person at a terminal, JSON for a collector.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::BadConfig;
use crate::args::LogFormat;
use crate::function_lines::FunctionLines;
use crate::json_lines::JsonLines;
use crate::paint::Paint;

/// Installs the subscriber. `directives` is what `--log` gives, in `tracing-subscriber`'s syntax.
pub(crate) fn install(directives: &str, format: Option<LogFormat>) -> anyhow::Result<()> {
    let filter = EnvFilter::builder()
        .parse(directives)
        .with_context(|| {
            format!("--log {directives:?} is not a level (error, warn, info, debug, trace) or a list of target=level")
        })
        .context(BadConfig)?
        // At debug level it prints statements, and some set passwords.
        .add_directive("tokio_postgres=warn".parse().expect("a valid directive"));
    let (at_terminal, paint) = (std::io::stderr().is_terminal(), Paint::of_stderr());
    let format = format.unwrap_or(if at_terminal { LogFormat::Text } else { LogFormat::Json });
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            builder.with_ansi(paint == Paint::Coloured).event_format(FunctionLines::new(paint)).init();
        }
        LogFormat::Json => builder.event_format(JsonLines).init(),
    }
    Ok(())
}
