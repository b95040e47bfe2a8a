//! Webhooks: checked before their function sees them and, where the manifest says so, stored first.
//!
//! [`Receivers`] stands before the functions as an [`isobase_base::Invoker`]. A request for a function
//! with a webhook's settings goes no further without a good signature. With `mode = "verify"` the
//! function then answers the sender. With `mode = "inbox"` the webhook is stored with its exact bytes
//! in one insert, the sender gets 202, and [`Deliveries`] hands it to the function until the function
//! answers 2xx: at least once, with one idempotency key over all attempts and growing pauses between
//! them; what fails too often is dead until somebody replays it. An event that the sender sends again
//! is told by its own id and stored once.

mod answer;
mod deliveries;
mod delivery;
mod operator;
mod receiver;
mod receivers;
mod store;
mod webhook;

pub use deliveries::Deliveries;
pub use operator::{Replayed, WebhookAttempt, WebhookFilter, WebhookShown, WebhookState, WebhookSummary};
pub use receiver::{Mode, NotReceiving, Receiver, ReceiverTable};
pub use receivers::Receivers;
pub use store::{Inbox, StoreError};

/// What the database notifies when a webhook has become due.
pub const CHANNEL: &str = "isobase_webhooks";
