//! `isobase functions rollback`, `split` and `delete`: which versions answer.
#![allow(clippy::print_stdout, reason = "printing is what the command does")]

use anyhow::{Context, anyhow};
use http::Method;
use serde_json::{Value, json};

use super::functions_list::print_versions;
use crate::BadConfig;
use crate::args::{FunctionArguments, RollbackArguments, SplitArguments};
use crate::remote::{JSON, Remote, block_on};

pub(crate) fn rollback(arguments: &RollbackArguments) -> anyhow::Result<()> {
    let remote = Remote::of(&arguments.host)?;
    let path = format!("/functions/{}/rollback", arguments.slug);
    let wanted = json!({ "version": arguments.to }).to_string();
    let shown = block_on(remote.manage(Method::POST, &path, Some((JSON, wanted.into()))))?;
    println!("{}: version {} is live", arguments.slug, shown["version"]);
    Ok(())
}

pub(crate) fn split(arguments: &SplitArguments) -> anyhow::Result<()> {
    let remote = Remote::of(&arguments.host)?;
    let shares = arguments.shares.iter().map(|text| share(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let path = format!("/functions/{}/traffic", arguments.slug);
    let wanted = json!({ "shares": shares, "sticky": arguments.sticky }).to_string();
    let listed = block_on(remote.manage(Method::PUT, &path, Some((JSON, wanted.into()))))?;
    print_versions(&listed, &remote);
    Ok(())
}

pub(crate) fn delete(arguments: &FunctionArguments) -> anyhow::Result<()> {
    let remote = Remote::of(&arguments.host)?;
    block_on(remote.manage(Method::DELETE, &format!("/functions/{}", arguments.slug), None))?;
    println!("{}: deleted", arguments.slug);
    Ok(())
}

/// `3=10`: ten percent for version 3.
fn share(text: &str) -> anyhow::Result<Value> {
    let parsed = text.split_once('=').and_then(|(version, percent)| {
        Some((version.parse::<u64>().ok()?, percent.trim_end_matches('%').parse::<u8>().ok()?))
    });
    let (version, percent) = parsed
        .ok_or_else(|| anyhow!("{text:?} is no share; write VERSION=PERCENT, such as 3=10"))
        .context(BadConfig)?;
    Ok(json!({ "version": version, "percent": percent }))
}
