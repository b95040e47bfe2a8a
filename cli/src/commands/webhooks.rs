//! `isobase webhooks`: what is in the inbox of a project.
#![allow(clippy::print_stdout, reason = "printing is what the command does")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use http::Method;
use serde_json::Value;

use crate::args::{ListWebhooksArguments, WebhookArguments};
use crate::remote::{Refused, Remote, block_on, encoded, with_query};

pub(crate) fn list(arguments: &ListWebhooksArguments) -> anyhow::Result<()> {
    let remote = Remote::of(&arguments.host)?;
    let limit = arguments.limit.to_string();
    let path = with_query(
        "/webhooks",
        &[
            ("function", arguments.function.as_deref()),
            ("state", arguments.state.as_deref()),
            ("limit", Some(&limit)),
        ],
    );
    let listed = block_on(remote.manage(Method::GET, &path, None)).map_err(Refused::blamed)?;
    for webhook in listed.as_array().into_iter().flatten() {
        println!(
            "{}  {}  {:<10}  {:>3}  {}  {}",
            word(webhook, "id"),
            second(webhook, "received_at"),
            word(webhook, "state"),
            webhook["attempts"],
            word(webhook, "function"),
            word(webhook, "event_id"),
        );
    }
    Ok(())
}

pub(crate) fn show(arguments: &WebhookArguments) -> anyhow::Result<()> {
    let remote = Remote::of(&arguments.host)?;
    let path = format!("/webhooks/{}", encoded(&arguments.id));
    let webhook = block_on(remote.manage(Method::GET, &path, None))?;
    println!("function  {}", word(&webhook, "function"));
    println!("event     {}", word(&webhook, "event_id"));
    println!("state     {}", word(&webhook, "state"));
    println!("received  {}", second(&webhook, "received_at"));
    println!("target    {}", word(&webhook, "target"));
    for attempt in webhook["history"].as_array().into_iter().flatten() {
        let status = attempt["status"].as_u64().map_or("-".into(), |status| status.to_string());
        let became = match (attempt["error"].as_str(), attempt["ended_at"].is_null()) {
            (Some(error), _) => error,
            (None, true) => "not ended",
            (None, false) => "delivered",
        };
        println!("attempt   {}  {}  {status}  {became}", attempt["number"], second(attempt, "began_at"));
    }
    println!();
    for line in webhook["headers"].as_array().into_iter().flatten() {
        println!("{}: {}", line[0].as_str().unwrap_or_default(), line[1].as_str().unwrap_or_default());
    }
    let body = STANDARD.decode(webhook["body_base64"].as_str().unwrap_or_default())?;
    println!("\n{}", String::from_utf8_lossy(&body));
    Ok(())
}

pub(crate) fn replay(arguments: &WebhookArguments) -> anyhow::Result<()> {
    let remote = Remote::of(&arguments.host)?;
    let path = format!("/webhooks/{}/replay", encoded(&arguments.id));
    block_on(remote.manage(Method::POST, &path, None))?;
    println!("{} will be delivered once more", arguments.id);
    Ok(())
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("-")
}

/// A time, to the second.
fn second(value: &Value, key: &str) -> String {
    let time = word(value, key).parse::<DateTime<Utc>>();
    time.map_or("-".into(), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}
