//! From `[functions.<slug>.webhook]` to what stands before those functions.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use isobase_base::project::{Project, WebhookEncoding, WebhookMode, WebhookProvider, WebhookSettings};
use isobase_base::task::{self, TaskKind};
use isobase_base::{FunctionSlug, Invoker};
use isobase_database::Database;
use isobase_postgres::OwnSessions;
use isobase_triggers::inbox::{CHANNEL, Deliveries, Inbox, Mode, Receiver, Receivers};
use isobase_webhook::{Encoding, Hmac, Provider, Verifier};
use tokio_util::sync::CancellationToken;

use crate::BadConfig;

/// Reads who receives. A function whose secret is not there would let nobody in, or anybody: the start
/// fails instead.
pub(crate) fn receivers(
    project: &Project,
    functions: Arc<dyn Invoker>,
    sessions: &OwnSessions,
) -> anyhow::Result<Receivers> {
    let mut receivers = HashMap::new();
    for (slug, settings) in &project.settings.functions {
        let (Some(webhook), Ok(function)) = (&settings.webhook, FunctionSlug::parse(slug)) else { continue };
        let key = format!("functions.{slug}.webhook.secret");
        let secret = project.webhook_secret(webhook)?.ok_or_else(|| {
            anyhow!("{key} is empty or names a variable that is not set; set it in supabase/functions/.env")
        });
        let verifier = Verifier::new(provider(webhook), &secret.context(BadConfig)?);
        let mut verifier = verifier.map_err(|error| anyhow!("{key}: {error}")).context(BadConfig)?;
        if let Some(tolerance) = webhook.tolerance {
            verifier = verifier.tolerance(tolerance);
        }
        let mode = match webhook.mode {
            WebhookMode::Verify => Mode::Verify,
            WebhookMode::Inbox => Mode::Inbox,
        };
        receivers.insert(function, Receiver { verifier, mode });
    }
    Ok(Receivers::new(functions, receivers, Inbox::new(sessions.clone())))
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

/// Begins to deliver what is in the inbox, whoever put it there.
pub(crate) fn deliver(
    database: &Database,
    functions: Arc<dyn Invoker>,
    sessions: &OwnSessions,
    stopping: CancellationToken,
) {
    let Some(due) = database.subscribe(CHANNEL) else { return };
    let deliveries = Deliveries::new(Inbox::new(sessions.clone()), functions, due);
    task::spawn(TaskKind::Service, "webhook deliveries", deliveries.run(stopping));
}
