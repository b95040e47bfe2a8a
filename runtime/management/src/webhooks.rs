//! The webhook inbox: list, show, deliver once more.

use std::error::Error;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use http::request::Parts;
use http::{Response, StatusCode};
use isobase_base::Body;
use isobase_base::limits::WEBHOOKS_LISTED_MAX;
use isobase_triggers::inbox::{
    Replayed, StoreError, WebhookAttempt, WebhookFilter, WebhookState, WebhookSummary,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Management;
use crate::answer::{Refusal, ok};
use crate::surface::{parse_slug, query};

const LIMIT_DEFAULT: u32 = 50;

impl Management {
    /// `GET /webhooks?function=&state=&limit=`: the newest.
    pub(crate) async fn list_webhooks(&self, parts: &Parts) -> Result<Response<Body>, Refusal> {
        let listed = self.rooms.inbox.list(&filter(parts)?).await?;
        Ok(ok(&listed.iter().map(summary).collect()))
    }

    /// `GET /webhooks/{id}`: what came, in full, and what became of each attempt.
    pub(crate) async fn show_webhook(&self, id: &str) -> Result<Response<Body>, Refusal> {
        let found = match Uuid::parse_str(id) {
            Ok(id) => self.rooms.inbox.find(id).await?,
            Err(_) => None,
        };
        let found = found.ok_or_else(|| unknown(id))?;
        let mut shown = summary(&found.summary);
        shown["target"] = found.target.into();
        shown["headers"] = json!(found.headers);
        shown["body_base64"] = STANDARD.encode(found.body).into();
        shown["history"] = found.history.iter().map(attempt).collect();
        Ok(ok(&shown))
    }

    /// `POST /webhooks/{id}/replay`.
    pub(crate) async fn replay_webhook(&self, id: &str) -> Result<Response<Body>, Refusal> {
        let replayed = match Uuid::parse_str(id) {
            Ok(id) => self.rooms.inbox.replay(id).await?,
            Err(_) => Replayed::Unknown,
        };
        match replayed {
            Replayed::Granted => Ok(ok(&json!({ "id": id, "state": WebhookState::Waiting.as_str() }))),
            Replayed::Busy => {
                let message = format!("Webhook {id} is being delivered right now");
                Err(Refusal::new(StatusCode::CONFLICT, message))
            }
            Replayed::Unknown => Err(unknown(id)),
        }
    }
}

fn filter(parts: &Parts) -> Result<WebhookFilter, Refusal> {
    let given = |name| query(parts, name).filter(|value| !value.is_empty());
    let function = given("function").map(|slug| parse_slug(&slug)).transpose()?;
    let state = given("state").map(|text| {
        WebhookState::parse(&text).ok_or_else(|| {
            let message = format!("state {text:?} is none of waiting, delivering, delivered and dead");
            Refusal::malformed(message)
        })
    });
    let limit = given("limit").map_or(Ok(LIMIT_DEFAULT), |text| {
        text.parse().ok().filter(|limit| *limit <= WEBHOOKS_LISTED_MAX).ok_or_else(|| {
            Refusal::malformed(format!("limit {text:?} is no number up to {WEBHOOKS_LISTED_MAX}"))
        })
    });
    Ok(WebhookFilter { function, state: state.transpose()?, limit: limit? })
}

fn summary(webhook: &WebhookSummary) -> Value {
    json!({
        "id": webhook.id.to_string(),
        "function": webhook.function,
        "event_id": webhook.event_id,
        "state": webhook.state,
        "attempts": webhook.attempts,
        "received_at": time(webhook.received_at),
    })
}

fn attempt(attempt: &WebhookAttempt) -> Value {
    json!({
        "number": attempt.number,
        "began_at": time(attempt.began_at),
        "ended_at": attempt.ended_at.map(time),
        "status": attempt.status,
        "error": attempt.error,
    })
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn unknown(id: &str) -> Refusal {
    let message = format!("There is no webhook {id:.40}; `isobase webhooks list` shows those there are");
    Refusal::new(StatusCode::NOT_FOUND, message)
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn Error, "the management API could not use the webhook inbox");
        let status = match error {
            StoreError::Session(_) => StatusCode::SERVICE_UNAVAILABLE,
            StoreError::Sql(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, format!("The inbox cannot be used: {error}"))
    }
}
