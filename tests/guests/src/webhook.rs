//! Checking webhooks. `../parity.ts` answers the same paths with the same JSON.

use std::time::Duration;

use isobase_sdk::webhook::{self, Provider, ReceiveError, Verifier};
use isobase_sdk::{Request, Response};
use serde_json::json;

/// `POST /webhook?provider=…&secret=…&tolerance=SECONDS`: who sent it, or why it is not genuine.
pub(crate) fn receive(mut request: Request) -> Response {
    let value = |name: &str| request.query_value(name).unwrap_or_default();
    let Some(provider) = Provider::named(&value("provider")) else { return refused("wrong-options") };
    let Ok(verifier) = Verifier::new(provider, &value("secret")) else { return refused("unusable-secret") };
    let tolerance = Duration::from_secs(value("tolerance").parse().unwrap_or(300));
    match webhook::receive(&verifier.tolerance(tolerance), &mut request) {
        Ok(webhook) => Response::json(&json!({
            "id": webhook.delivery.id,
            "signedAt": webhook.delivery.signed_at,
            "body": String::from_utf8_lossy(&webhook.body),
        })),
        Err(ReceiveError::Refused(error)) => refused(error.code()),
        Err(ReceiveError::Body(error)) => refused(&error.to_string()),
    }
}

fn refused(code: &str) -> Response {
    Response::json(&json!({ "code": code })).with_status(401)
}
