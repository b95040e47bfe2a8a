//! `isobase functions list` and `versions`: what is deployed.
#![allow(clippy::print_stdout, reason = "printing is what the command does")]

use http::Method;
use serde_json::Value;

use crate::args::{FunctionArguments, HostArguments};
use crate::remote::{Remote, block_on};

pub(crate) fn run(arguments: &HostArguments) -> anyhow::Result<()> {
    let remote = Remote::of(arguments)?;
    let listed = block_on(remote.manage(Method::GET, "/functions", None))?;
    let functions = listed.as_array().cloned().unwrap_or_default();
    if functions.is_empty() {
        println!("No function is deployed; deploy with: isobase functions deploy");
        return Ok(());
    }
    println!("{:<32} {:>8}  {:<10} URL", "FUNCTION", "VERSION", "VERIFY JWT");
    for function in functions {
        let slug = function["slug"].as_str().unwrap_or_default();
        println!(
            "{slug:<32} {:>8}  {:<10} {}/functions/v1/{slug}",
            function["version"],
            if function["verify_jwt"] == Value::Bool(true) { "yes" } else { "no" },
            remote.url(),
        );
    }
    Ok(())
}

pub(crate) fn versions(arguments: &FunctionArguments) -> anyhow::Result<()> {
    let remote = Remote::of(&arguments.host)?;
    let path = format!("/functions/{}/versions", arguments.slug);
    print_versions(&block_on(remote.manage(Method::GET, &path, None))?, &remote);
    Ok(())
}

/// Newest first; the share of the requests that each gets.
pub(crate) fn print_versions(listed: &Value, remote: &Remote) {
    println!("{:>8}  {:>7}  {:<24}  PREVIEW", "VERSION", "TRAFFIC", "DEPLOYED");
    for version in listed["versions"].as_array().into_iter().flatten() {
        let text = |key: &str| version[key].as_str().unwrap_or_default().to_owned();
        let traffic = match version["percent"].as_u64() {
            Some(percent) if percent > 0 => format!("{percent} %"),
            _ => "-".into(),
        };
        println!(
            "{:>8}  {traffic:>7}  {:<24}  {}{}",
            version["version"],
            text("created_at"),
            remote.url(),
            text("preview_path"),
        );
    }
}
