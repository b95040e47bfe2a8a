//! Webhooks against `examples/webhooks`: real signed payloads, the inbox, and what survives.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use isobase_base::hex;
use serde_json::json;
use sha2::Sha256;

use crate::app::{App, Project};
use crate::client::{Answer, Call};

const STRIPE_SECRET: &str = "whsec_test_secret";
/// Without `whsec_`.
const ORDERS_SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn mac(key: &[u8], parts: &[&str]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key");
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    mac.finalize().into_bytes().to_vec()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// As Stripe sends it.
fn stripe(app: &App, id: &str, signed_at: u64) -> Call {
    let body = format!(r#"{{ "id":"{id}",  "object":"event" }}"#);
    let signature = hex(&mac(STRIPE_SECRET.as_bytes(), &[&signed_at.to_string(), ".", &body]));
    app.call("POST", "/functions/v1/payments?from=stripe")
        .header("content-type", "application/json; charset=utf-8")
        .header("stripe-signature", &format!("t={signed_at},v1={signature}"))
        .text(&body)
}

/// As a sender of Standard Webhooks sends it.
fn order(app: &App, id: &str, failures: u32) -> Call {
    let body = json!({ "failures": failures }).to_string();
    let time = now().to_string();
    let key = STANDARD.decode(ORDERS_SECRET).expect("it is base64");
    let signature = STANDARD.encode(mac(&key, &[id, ".", &time, ".", &body]));
    app.call("POST", "/functions/v1/orders")
        .header("webhook-id", id)
        .header("webhook-timestamp", &time)
        .header("webhook-signature", &format!("v1,{signature}"))
        .text(&body)
}

async fn handled(app: &App) -> BTreeSet<String> {
    let rows = app.sql("select key from events").await;
    rows.into_iter().filter_map(|row| row.into_iter().next()?).collect()
}

fn told(answer: &Answer) -> (u16, String) {
    let reason = answer.json()["reason"].as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), reason)
}

async fn webhooks(app: &App, arguments: &[&str]) -> String {
    let arguments = [&["webhooks"], arguments].concat();
    let output = app.command_from_elsewhere(&arguments).output().await.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The vector that GitHub publishes, byte for byte, and what is not it.
#[tokio::test]
async fn signatures_are_checked_before_the_function_runs() {
    let app = Project::example("webhooks").start().await;
    let push = |signature: &str, body: &str| {
        app.call("POST", "/functions/v1/pushes")
            .header("x-github-event", "push")
            .header("x-hub-signature-256", signature)
            .text(body)
            .send()
    };
    let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let answer = push(good, "Hello, World!").await;
    assert_eq!(answer.status, 200, "{}\n{}", answer.text(), app.project.log());
    assert_eq!(answer.json(), json!({ "event": "push", "bytes": 13, "body": "Hello, World!" }));
    assert_eq!(told(&push(good, "Hello, World?").await), (401, "bad-signature".into()));
    assert_eq!(told(&push("sha256=00", "Hello, World!").await), (401, "malformed-header".into()));
    let unsigned = app.call("POST", "/functions/v1/pushes").text("Hello, World!").send().await;
    assert_eq!(told(&unsigned), (401, "missing-header".into()));
    // A key of the project is no signature.
    assert_eq!(app.service("POST", "/functions/v1/pushes").send().await.status, 401);
    assert_eq!(app.call("GET", "/functions/v1/pushes").send().await.status, 405);
    let old = stripe(&app, "evt_old", now() - 3_600).send().await;
    assert_eq!(told(&old), (401, "too-old".into()));
}

/// Slack's published request, checked by the function itself.
#[tokio::test]
async fn functions_can_check_for_themselves() {
    let project = Project::example("webhooks");
    project.configure("[functions.slack.env]\nSLACK_TOLERANCE_SECONDS = \"10000000000\"");
    let app = project.start().await;
    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
                channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=\
                https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=\
                398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let command = |time: &str| {
        app.call("POST", "/functions/v1/slack")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-slack-request-timestamp", time)
            .header(
                "x-slack-signature",
                "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            )
            .text(body)
            .send()
    };
    let answer = command("1531420618").await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "command": "/webhook-collect" })));
    let answer = command("1531420619").await;
    assert_eq!((answer.status.as_u16(), answer.json()), (401, json!({ "code": "bad-signature" })));
}

#[tokio::test]
async fn the_inbox_stores_delivers_and_tries_again() {
    let app = Project::example("webhooks").start().await;
    // Stored once, however often it is sent.
    let first = stripe(&app, "evt_1", now()).send().await;
    assert_eq!(first.status, 202, "{}", first.text());
    let again = stripe(&app, "evt_1", now()).send().await;
    assert_eq!(again.json(), json!({ "id": first.json()["id"], "duplicate": true }));
    app.until("it is handled", || async { handled(&app).await.contains("evt_1") }).await;

    // A function that fails gets it again.
    let stubborn = order(&app, "msg_1", 2).send().await;
    assert_eq!(stubborn.status, 202, "{}", stubborn.text());
    let id = stubborn.json()["id"].as_str().expect("it has an id").to_owned();
    app.until("it is handled", || async { handled(&app).await.contains(&id) }).await;
    app.until("it is settled", || async {
        webhooks(&app, &["list"]).await.matches("delivered").count() == 2
    })
    .await;

    // What came and what became of it; and once more.
    let list = webhooks(&app, &["list", "--function", "orders"]).await;
    assert!(list.contains(&id) && list.contains("msg_1") && !list.contains("evt_1"), "{list}");
    let beside = app.project.command(&["webhooks", "list", "--function", "orders"]).output().await;
    assert_eq!(
        String::from_utf8_lossy(&beside.expect("it runs").stdout),
        list,
        "beside the host it is the same"
    );
    let shown = webhooks(&app, &["show", &id]).await;
    for part in ["attempt   1", "503", "attempt   3", "204", "webhook-id: msg_1", r#"{"failures":2}"#] {
        assert!(shown.contains(part), "{shown}");
    }
    let event = first.json()["id"].as_str().expect("it has an id").to_owned();
    app.sql("delete from events").await;
    webhooks(&app, &["replay", &event]).await;
    app.until("it is handled once more", || async { handled(&app).await.contains("evt_1") }).await;
    for id in ["nothing", "a?b=c#d", "00000000-0000-0000-0000-000000000000"] {
        for command in ["show", "replay"] {
            let unknown =
                app.command_from_elsewhere(&["webhooks", command, id]).output().await.expect("it runs");
            let told = String::from_utf8_lossy(&unknown.stderr).into_owned();
            assert!(!unknown.status.success() && told.contains("no webhook"), "{id}: {told}");
        }
    }
    let wrong = app.command_from_elsewhere(&["webhooks", "list", "--state", "lost"]).output().await;
    assert_eq!(wrong.expect("it runs").status.code(), Some(64));
    let none = webhooks(&app, &["list", "--state", "dead"]).await;
    assert_eq!(none, "");
    assert_eq!(webhooks(&app, &["list", "--limit", "1"]).await.lines().count(), 1);
}

/// A webhook that was answered with 202 is handled, whenever the host is killed.
#[tokio::test]
async fn nothing_that_was_accepted_is_lost() {
    let kills: u32 = std::env::var("ISOBASE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let mut project = Project::example("webhooks");
    let mut accepted = BTreeSet::new();
    for round in 0..kills {
        let app = project.start().await;
        let mut index = 0;
        // Killed in the middle of what it is doing: some are stored, some delivered, some neither.
        let wanted = 3 + round % 7;
        while index < wanted {
            let id = format!("evt_{round}_{index}");
            let answer = stripe(&app, &id, now()).send().await;
            assert_eq!(answer.status, 202, "{}", answer.text());
            accepted.insert(id);
            index += 1;
        }
        project = app.kill().await;
    }
    let app = project.start().await;
    app.until("all are handled", || async { handled(&app).await.is_superset(&accepted) }).await;
    let counts = app.sql("select count(*), count(distinct event_id) from isobase.webhook_inbox").await;
    let count = Some(accepted.len().to_string());
    assert_eq!(counts, [[count.clone(), count]], "each is stored once");
}
