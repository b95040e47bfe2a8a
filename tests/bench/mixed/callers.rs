//! Who calls, and what they must be answered.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::Tally;
use crate::http::{Answer, Client};
use crate::product::Product;

/// Rows that a user keeps.
const KEPT: i64 = 200;

/// Reads and writes rows that are the user's own, and no others.
pub(super) async fn user(
    product: &Product,
    number: usize,
    tally: &Tally,
    until: Instant,
) -> anyhow::Result<()> {
    let me = format!("00000000-0000-4000-8000-{number:012}");
    let client = product.client(&product.token(&me)?);
    let mut newest = 0;
    for turn in 0_u64.. {
        if Instant::now() > until {
            break;
        }
        let rows = "/rest/v1/mixed?select=id,owner,note";
        let (method, path, body) = match turn % 7 {
            0 => (Method::POST, rows.to_owned(), json!({ "note": format!("note {turn}") })),
            1 => (Method::GET, format!("{rows}&order=id.desc&limit=20"), Value::Null),
            2 => (Method::GET, format!("{rows}&note=like.*7*&limit=5"), Value::Null),
            3 => (Method::PATCH, format!("{rows}&id=eq.{newest}"), json!({ "note": "changed" })),
            4 => (Method::GET, "/rest/v1/rpc/mixed_me".to_owned(), Value::Null),
            5 => (Method::POST, "/rest/v1/rpc/mixed_rows".to_owned(), json!({ "most": 10 })),
            _ => (Method::DELETE, format!("{rows}&id=lt.{}", newest - KEPT), Value::Null),
        };
        let Some(answer) = ask(&client, method, &path, &body, tally).await? else { continue };
        if path.ends_with("mixed_me") {
            ensure!(answer == format!("{me} authenticated"), "{me} was taken for {answer}");
            continue;
        }
        for row in answer.as_array().context("rows are a list")? {
            ensure!(row["owner"] == me, "a row of {} came to {me}: {path}", row["owner"]);
            newest = newest.max(row["id"].as_i64().unwrap_or_default());
        }
    }
    Ok(())
}

/// Whoever may see nothing, and whoever may see all.
pub(super) async fn of_role(
    product: &Product,
    role: &str,
    tally: &Tally,
    until: Instant,
) -> anyhow::Result<()> {
    let key = if role == "anon" { "ANON_KEY" } else { "SERVICE_ROLE_KEY" };
    let client = product.client(product.value(key)?);
    while Instant::now() < until {
        let rows =
            ask(&client, Method::GET, "/rest/v1/mixed?select=owner&limit=50", &Value::Null, tally).await?;
        if let Some(rows) = rows.as_ref().and_then(Value::as_array) {
            ensure!(role != "anon" || rows.is_empty(), "rows came to anon");
        }
        if let Some(me) = ask(&client, Method::GET, "/rest/v1/rpc/mixed_me", &Value::Null, tally).await? {
            ensure!(me == format!("nobody {role}"), "{role} was taken for {me}");
        }
    }
    Ok(())
}

/// Does not wait for answers.
pub(super) async fn hanging_up(
    product: &Product,
    number: usize,
    tally: &Tally,
    until: Instant,
) -> anyhow::Result<()> {
    let client = product.client(&product.token("00000000-0000-4000-9000-000000000000")?);
    for turn in number.. {
        if Instant::now() > until {
            break;
        }
        let patience = Duration::from_millis(1 + turn as u64 % 40);
        let answer = tokio::time::timeout(patience, client.get("/rest/v1/rpc/mixed_nap"));
        if answer.await.is_err() {
            Tally::count(&tally.given_up);
        }
    }
    Ok(())
}

/// `None`: the connection to Postgres was killed, which the answer says.
async fn ask(
    client: &Client,
    method: Method,
    path: &str,
    body: &Value,
    tally: &Tally,
) -> anyhow::Result<Option<Value>> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let Answer { status, body } =
        client.send(method, path, body.into(), Some("return=representation")).await?;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        Tally::count(&tally.refused);
        return Ok(None);
    }
    if !status.is_success() {
        bail!("{path} was answered with {status} {body}");
    }
    Tally::count(&tally.answered);
    serde_json::from_str(&body).map(Some).with_context(|| format!("{path} was answered with {body}"))
}
