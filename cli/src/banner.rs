//! The one friendly block that `start` ends with: addresses, keys and a line to try.

use std::fmt::Write;
use std::time::Duration;

use crate::run_state::RunState;

/// URLs and keys, aligned.
pub(crate) fn addresses(state: &RunState) -> String {
    let api = &state.api_url;
    let lines = [
        ("API URL", api.clone()),
        ("REST URL", format!("{api}/rest/v1")),
        ("Functions URL", format!("{api}/functions/v1")),
        ("Database URL", state.db_url.clone()),
        ("Metrics URL", format!("{}/metrics", state.admin_url)),
        ("Publishable key", state.publishable_key.clone()),
        ("Secret key", state.secret_key.clone()),
        ("Access token", state.access_token.clone()),
        ("Project ref", state.project_ref.clone()),
    ];
    let inspector =
        state.inspector.iter().map(|address| ("Inspector", format!("{address} (chrome://inspect)")));
    let mut text = String::new();
    for (name, value) in lines.into_iter().chain(inspector) {
        writeln!(text, "{name:>16}: {value}").expect("writing to a string cannot fail");
    }
    text
}

/// The whole block. `functions` are the slugs that are served, `table` one that REST can read.
pub(crate) fn ready(state: &RunState, functions: &[String], table: Option<&str>, took: Duration) -> String {
    let mut text =
        format!("\nisobase {} is up after {} ms\n\n{}\n", state.version, took.as_millis(), addresses(state));
    let key = &state.publishable_key;
    let mut try_line = |line: String| writeln!(text, "{line}").expect("writing to a string cannot fail");
    if table.is_some() || !functions.is_empty() {
        try_line("Try:".into());
    }
    if let Some(table) = table {
        try_line(format!("  curl '{}/rest/v1/{table}?limit=3' -H 'apikey: {key}'", state.api_url));
    }
    for slug in functions.iter().take(3) {
        try_line(format!(
            "  curl '{}/functions/v1/{slug}' -H 'Authorization: Bearer {}'",
            state.api_url, state.anon_key
        ));
    }
    text.push('\n');
    text
}
