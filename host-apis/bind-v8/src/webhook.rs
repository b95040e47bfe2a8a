//! `isobase:host/webhook`: the same check that functions in Rust have in their SDK.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use deno_core::op2;
use deno_error::{AdditionalProperties, JsErrorClass, PropertyValue};
use isobase_webhook::{Encoding, Error, Hmac, Provider, TOLERANCE, UnusableSecret, Verifier};

/// What `js/webhook.js` passes, as JSON.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    provider: &'a str,
    secret: String,
    header: Option<String>,
    prefix: Option<String>,
    encoding: Option<String>,
    tolerance_seconds: Option<f64>,
    headers: Vec<(String, String)>,
}

/// Becomes the class `WebhookError`, with a `code` that is the same in all languages.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhookError {
    #[error("{0}")]
    Refused(Error),
    #[error("{0}")]
    Secret(UnusableSecret),
    #[error("{0}")]
    Options(&'static str),
}

impl WebhookError {
    fn code(&self) -> &'static str {
        match self {
            Self::Refused(error) => error.code(),
            Self::Secret(_) => "unusable-secret",
            Self::Options(_) => "wrong-options",
        }
    }
}

impl JsErrorClass for WebhookError {
    fn get_class(&self) -> Cow<'static, str> {
        "WebhookError".into()
    }

    fn get_message(&self) -> Cow<'static, str> {
        self.to_string().into()
    }

    fn get_additional_properties(&self) -> AdditionalProperties {
        Box::new(std::iter::once(("code".into(), PropertyValue::String(self.code().into()))))
    }

    fn get_ref(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }
}

fn verifier(question: &Question<'_>) -> Result<Verifier, WebhookError> {
    let provider = Provider::named(question.provider).ok_or(WebhookError::Options(
        "provider must be \"stripe\", \"github\", \"slack\", \"standard\" or \"hmac\"",
    ))?;
    let encoding = match question.encoding.as_deref() {
        None | Some("hex") => Encoding::Hex,
        Some("base64") => Encoding::Base64,
        Some(_) => return Err(WebhookError::Options("encoding must be \"hex\" or \"base64\"")),
    };
    let provider = match provider {
        Provider::Hmac(default) => Provider::Hmac(Hmac {
            header: question.header.as_ref().map_or(default.header, |name| name.to_ascii_lowercase()),
            prefix: question.prefix.clone().unwrap_or_default(),
            encoding,
        }),
        other => other,
    };
    let tolerance = match question.tolerance_seconds {
        None => TOLERANCE,
        Some(seconds) => Duration::try_from_secs_f64(seconds)
            .map_err(|_| WebhookError::Options("toleranceSeconds must be a positive number"))?,
    };
    let verifier = Verifier::new(provider, &question.secret).map_err(WebhookError::Secret)?;
    Ok(verifier.tolerance(tolerance))
}

/// Answers `{"id": …, "signedAt": …}`.
#[op2]
#[string]
pub(crate) fn op_isobase_webhook_verify(
    #[string] question: &str,
    #[buffer] body: &[u8],
) -> Result<String, WebhookError> {
    let question: Question<'_> = serde_json::from_str(question)
        .map_err(|_| WebhookError::Options("provider and secret must be text"))?;
    let header = |name: &str| {
        let found = question.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let delivery = verifier(&question)?.verify(header, body, now).map_err(WebhookError::Refused)?;
    Ok(serde_json::json!({ "id": delivery.id, "signedAt": delivery.signed_at }).to_string())
}
