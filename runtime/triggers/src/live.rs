//! What functions declare, brought to those who act on it.
//!
//! Two places say what starts a function: the server's own settings, and the manifest of the version that
//! is live. [`Declarations`] decides between them; [`Follower`] applies what comes out of it when a deploy,
//! a rollback or a changed secret makes it another, without a restart.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use isobase_base::project::{FunctionTriggers, InvalidTriggers, LiveTriggers, WebhookSettings};
use isobase_base::{Environments, FunctionSlug, SecretText, limits};
use tokio::sync::watch;

use crate::cron::{CronError, DeclaredSchedule, Declarer};
use crate::inbox::{NotReceiving, Receiver, ReceiverTable, Receivers};
use crate::{QueueConsumer, QueueConsumers};

/// What the server's settings declare, and whether versions win over it.
pub struct Declarations {
    pub settings: BTreeMap<FunctionSlug, FunctionTriggers>,
    /// The secrets of webhooks in `settings`, as far as the project's files have them.
    pub secrets: HashMap<FunctionSlug, SecretText>,
    pub served: Served,
}

/// Which functions a host serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// Those of source folders, and deployed ones that have none: the settings of a function win.
    Sources,
    /// Deployed ones only: the live version wins, and what is not deployed is not started.
    Deployed,
}

/// What holds for one function, and who said so.
struct Declared<'d> {
    triggers: &'d FunctionTriggers,
    /// From the server's settings.
    is_of_settings: bool,
}

/// What holds, in the form that each room takes.
pub struct Merged {
    pub schedules: Vec<DeclaredSchedule>,
    pub consumers: Vec<QueueConsumer>,
    pub receivers: ReceiverTable,
}

/// Whether a version of `slug` may declare `triggers`.
pub fn check(slug: &FunctionSlug, triggers: &FunctionTriggers) -> Result<(), InvalidTriggers> {
    triggers.check(slug)?;
    for schedule in &triggers.schedules {
        let declared = DeclaredSchedule { function: slug.clone(), schedule: schedule.clone() };
        if let Err(CronError::Declared { problem, .. }) = declared.check() {
            return Err(InvalidTriggers { key: "schedule".into(), problem });
        }
    }
    Ok(())
}

impl Declarations {
    /// What holds while `live` are the live versions and `environments` the secrets.
    pub fn merged(&self, live: &LiveTriggers, environments: &Environments) -> Merged {
        let functions = self.functions(live);
        let mut merged =
            Merged { schedules: Vec::new(), consumers: Vec::new(), receivers: ReceiverTable::new() };
        let mut queues = BTreeMap::new();
        for (slug, declared) in &functions {
            for schedule in &declared.triggers.schedules {
                let schedule = schedule.clone();
                merged.schedules.push(DeclaredSchedule { function: (*slug).clone(), schedule });
            }
            for (name, queue) in &declared.triggers.queues {
                match queues.entry(name) {
                    Entry::Vacant(free) => _ = free.insert(QueueConsumer::new(name, queue)),
                    Entry::Occupied(taken) => tracing::error!(
                        queue = name, function = %slug, consumer = %taken.get().function,
                        "two functions declare that they consume the queue; one does"
                    ),
                }
            }
            if let Some(webhook) = &declared.triggers.webhook {
                let receiver = self.receiver(slug, webhook, declared.is_of_settings, environments);
                merged.receivers.insert((*slug).clone(), receiver);
            }
        }
        merged.consumers = queues.into_values().collect();
        merged
    }

    fn functions<'d>(&'d self, live: &'d LiveTriggers) -> BTreeMap<&'d FunctionSlug, Declared<'d>> {
        let of_settings = |triggers| Declared { triggers, is_of_settings: true };
        let of_version = |triggers| Declared { triggers, is_of_settings: false };
        let own = self.settings.iter().map(|(slug, triggers)| (slug, of_settings(triggers)));
        let live = live.iter();
        match self.served {
            Served::Sources => {
                let deployed =
                    live.filter_map(|(slug, triggers)| Some((slug, of_version(triggers.as_deref()?))));
                // Later ones win.
                deployed.chain(own).collect()
            }
            Served::Deployed => live
                .filter_map(|(slug, triggers)| {
                    let declared = match triggers.as_deref() {
                        Some(triggers) => of_version(triggers),
                        None => of_settings(self.settings.get(slug)?),
                    };
                    Some((slug, declared))
                })
                .collect(),
        }
    }

    fn receiver(
        &self,
        slug: &FunctionSlug,
        webhook: &WebhookSettings,
        is_of_settings: bool,
        environments: &Environments,
    ) -> Result<Receiver, NotReceiving> {
        let kept = self.secrets.get(slug).filter(|_| is_of_settings);
        if let Some(secret) = kept {
            return Receiver::new(webhook, secret.expose());
        }
        let name = webhook.secret_variable().unwrap_or("webhook.secret");
        match environments.of(slug).get(name).filter(|secret| !secret.trim().is_empty()) {
            Some(secret) => Receiver::new(webhook, secret),
            None => Err(NotReceiving::NoSecret(name.to_owned())),
        }
    }
}

/// Everything that what holds follows from.
pub struct Origins {
    pub declarations: Declarations,
    pub live: watch::Receiver<Arc<LiveTriggers>>,
    pub environments: watch::Receiver<Arc<Environments>>,
}

impl Origins {
    /// What holds now. Changes after this wake a [`Follower`].
    pub fn merged(&mut self) -> Merged {
        let live = Arc::clone(&self.live.borrow_and_update());
        let environments = Arc::clone(&self.environments.borrow_and_update());
        let merged = self.declarations.merged(&live, &environments);
        for (slug, receiver) in &merged.receivers {
            if let Err(problem) = receiver {
                tracing::warn!(function = %slug, %problem, "webhooks to this function are turned away");
            }
        }
        merged
    }

    async fn changed(&mut self) -> Result<(), watch::error::RecvError> {
        tokio::select! {
            changed = self.live.changed() => changed,
            changed = self.environments.changed() => changed,
        }
    }
}

/// Applies what functions declare for as long as it runs.
pub struct Follower {
    pub origins: Origins,
    pub cron: Declarer,
    pub consumers: Arc<QueueConsumers>,
    pub receivers: Arc<Receivers>,
}

impl Follower {
    /// Goes on from the schedules that the scheduler was started with. Ends when nobody tells of changes
    /// any more.
    pub async fn run(mut self, mut known: Vec<DeclaredSchedule>) {
        while self.origins.changed().await.is_ok() {
            let Merged { mut schedules, consumers, receivers } = self.origins.merged();
            self.receivers.replace(receivers);
            self.consumers.replace(consumers);
            // They were checked when they were deployed; times that an older host took may be others.
            schedules.retain(|declared| {
                declared
                    .check()
                    .inspect_err(|error| tracing::error!(%error, "a schedule is left out"))
                    .is_ok()
            });
            if known == schedules {
                continue;
            }
            while let Err(error) = self.cron.replace(&schedules).await {
                tracing::warn!(%error, "the declared schedules stay as they were; trying again");
                tokio::time::sleep(limits::CRON_DATABASE_RETRY).await;
            }
            known = schedules;
        }
    }
}
