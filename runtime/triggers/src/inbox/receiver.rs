//! How one function receives webhooks.

use std::collections::HashMap;

use isobase_base::FunctionSlug;
use isobase_base::project::{WebhookEncoding, WebhookMode, WebhookProvider, WebhookSettings};
use isobase_webhook::{Encoding, Hmac, Provider, Verifier};

/// What becomes of a webhook whose signature is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The function answers the sender.
    Verify,
    /// It is stored and delivered from there.
    Inbox,
}

/// How one function receives.
#[derive(Clone, Debug)]
pub struct Receiver {
    pub verifier: Verifier,
    pub mode: Mode,
}

/// By function. Where there is no secret to check with, nobody is let in: the error is the answer.
pub type ReceiverTable = HashMap<FunctionSlug, Result<Receiver, NotReceiving>>;

/// Why a function that should receive cannot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReceiving {
    #[error("the secret {0} is not set")]
    NoSecret(String),
    #[error("{key}: {problem}")]
    BadSecret { key: String, problem: String },
}

impl Receiver {
    /// What `settings` say, with the secret that they name.
    pub fn new(settings: &WebhookSettings, secret: &str) -> Result<Self, NotReceiving> {
        let key = || settings.secret_variable().unwrap_or("webhook.secret").to_owned();
        let verifier = Verifier::new(provider(settings), secret)
            .map_err(|error| NotReceiving::BadSecret { key: key(), problem: error.to_string() })?;
        let mode = match settings.mode {
            WebhookMode::Verify => Mode::Verify,
            WebhookMode::Inbox => Mode::Inbox,
        };
        let verifier = match settings.tolerance {
            Some(tolerance) => verifier.tolerance(tolerance),
            None => verifier,
        };
        Ok(Self { verifier, mode })
    }
}

fn provider(webhook: &WebhookSettings) -> Provider {
    match webhook.provider {
        WebhookProvider::Stripe => Provider::Stripe,
        WebhookProvider::GitHub => Provider::GitHub,
        WebhookProvider::Slack => Provider::Slack,
        WebhookProvider::Standard => Provider::Standard,
        WebhookProvider::Hmac => {
            let default = Hmac::default();
            Provider::Hmac(Hmac {
                header: webhook.header.clone().unwrap_or(default.header),
                prefix: webhook.prefix.clone().unwrap_or_default(),
                encoding: match webhook.encoding {
                    WebhookEncoding::Hex => Encoding::Hex,
                    WebhookEncoding::Base64 => Encoding::Base64,
                },
            })
        }
    }
}
