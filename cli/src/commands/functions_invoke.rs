//! `isobase functions invoke`: calls a function and prints what it answers.

use std::io::{Read, Write};

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::BadConfig;
use crate::args::InvokeArguments;
use crate::remote::{Remote, block_on};

pub(crate) fn run(arguments: &InvokeArguments) -> anyhow::Result<()> {
    let remote = Remote::of(&arguments.host)?;
    let body = match arguments.data.as_deref() {
        None => None,
        Some("-") => {
            let mut read = Vec::new();
            std::io::stdin().read_to_end(&mut read).context("could not read standard input")?;
            Some(Bytes::from(read))
        }
        Some(data) => Some(match data.strip_prefix('@') {
            Some(file) => std::fs::read(file).with_context(|| format!("could not read {file}"))?.into(),
            None => data.to_owned().into(),
        }),
    };
    let method = match &arguments.method {
        Some(name) => Method::from_bytes(name.as_bytes()).context(BadConfig)?,
        None if body.is_some() => Method::POST,
        None => Method::GET,
    };
    let headers = headers(arguments, &remote, body.is_some())?;
    let path = format!("/functions/v1/{}", arguments.slug.trim_start_matches('/'));
    let answer = block_on(remote.call(method, &path, headers, body.unwrap_or_default()))?;
    std::io::stdout().write_all(&answer.body).context("could not write the answer")?;
    if !answer.status.is_success() {
        let code = answer.headers.get("sb-error-code").and_then(|code| code.to_str().ok());
        bail!(
            "{} answered {}{}",
            arguments.slug,
            answer.status,
            code.map(|code| format!(" ({code})")).unwrap_or_default()
        );
    }
    Ok(())
}

fn headers(arguments: &InvokeArguments, remote: &Remote, has_body: bool) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let key = arguments.key.clone().or_else(|| remote.local.as_ref().map(|state| state.secret_key.clone()));
    if let Some(key) = key {
        let bearer = HeaderValue::try_from(format!("Bearer {key}")).context("the key is not usable")?;
        headers.insert(AUTHORIZATION, bearer);
    }
    if has_body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Some(version) = arguments.at {
        headers.insert("x-isobase-version", version.into());
    }
    for header in &arguments.header {
        let parsed = header.split_once(':').and_then(|(name, value)| {
            Some((name.trim().parse::<HeaderName>().ok()?, value.trim().parse::<HeaderValue>().ok()?))
        });
        let (name, value) =
            parsed.ok_or_else(|| anyhow!("{header:?} is no header; write name: value")).context(BadConfig)?;
        headers.insert(name, value);
    }
    Ok(headers)
}
