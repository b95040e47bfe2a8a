//! Check webhooks: Stripe, GitHub, Slack, Standard Webhooks (Svix), any HMAC-SHA256. With the feature
//! `webhook`.
//!
//! Better still, declare it, and the host refuses what is not genuine before the function runs:
//!
//! ```toml
//! [functions.payments.webhook]
//! provider = "stripe"
//! secret = "env(STRIPE_WEBHOOK_SECRET)"
//! mode = "inbox" # stored first, then delivered until the function answers 2xx
//! ```
//!
//! ```
//! use isobase_sdk::webhook::{self, Provider, Verifier};
//! use isobase_sdk::{Request, Response};
//!
//! fn serve(mut request: Request) -> Result<Response, Box<dyn std::error::Error>> {
//!     let verifier = Verifier::new(Provider::Stripe, &std::env::var("STRIPE_WEBHOOK_SECRET")?)?;
//!     let Ok(webhook) = webhook::receive(&verifier, &mut request) else { return Ok(Response::new(401)) };
//!     println!("{:?}: {} bytes", webhook.delivery.id, webhook.body.len());
//!     Ok(Response::new(204))
//! }
//! ```

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

pub use isobase_webhook::{Delivery, Encoding, Error, Hmac, Provider, TOLERANCE, UnusableSecret, Verifier};

use crate::{BodyError, Request};

/// A genuine webhook with the exact bytes that were signed.
#[derive(Clone, Debug)]
pub struct Webhook {
    pub delivery: Delivery,
    pub body: Vec<u8>,
}

/// Why a request is no genuine webhook.
#[derive(Debug)]
pub enum ReceiveError {
    Refused(Error),
    /// The body broke off.
    Body(BodyError),
}

/// Reads the whole body of `request` and checks it at the present time.
pub fn receive(verifier: &Verifier, request: &mut Request) -> Result<Webhook, ReceiveError> {
    let body = request.bytes().map_err(ReceiveError::Body)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let delivery = verifier.verify(|name| request.header(name), &body, now).map_err(ReceiveError::Refused)?;
    Ok(Webhook { delivery, body })
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(formatter),
            Self::Body(error) => write!(formatter, "the body broke off: {error}"),
        }
    }
}

impl std::error::Error for ReceiveError {}
