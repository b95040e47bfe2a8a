//! From `[functions.<slug>.webhook]` to the secrets that webhooks are checked with, and the inbox.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use isobase_base::project::Project;
use isobase_base::task::{self, TaskKind};
use isobase_base::{FunctionSlug, Invoker, SecretText};
use isobase_database::Database;
use isobase_postgres::OwnSessions;
use isobase_triggers::inbox::{CHANNEL, Deliveries, Inbox, ReceiverTable};
use tokio_util::sync::CancellationToken;

use crate::BadConfig;

/// The secrets that the project's own files have.
pub(crate) fn secrets(project: &Project) -> anyhow::Result<HashMap<FunctionSlug, SecretText>> {
    let mut secrets = HashMap::new();
    for (slug, settings) in &project.settings.functions {
        let (Some(webhook), Ok(function)) = (&settings.webhook, FunctionSlug::parse(slug)) else { continue };
        if let Some(secret) = project.webhook_secret(webhook)? {
            secrets.insert(function, secret.into());
        }
    }
    Ok(secrets)
}

/// A function of this project whose secret is not there would turn away every webhook: the start fails
/// instead, where somebody sees it.
pub(crate) fn check(project: &Project, receivers: &ReceiverTable) -> anyhow::Result<()> {
    for (slug, receiver) in receivers {
        let is_declared_here = project.function(slug.as_str()).webhook.is_some();
        if let (true, Err(problem)) = (is_declared_here, receiver) {
            let advice = "set it in supabase/functions/.env, or with: isobase secrets set NAME=…";
            return Err(anyhow!("functions.{slug}.webhook.secret: {problem}; {advice}")).context(BadConfig);
        }
    }
    Ok(())
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
