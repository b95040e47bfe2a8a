//! Secrets join a function on its way to the pool, whoever publishes it, and when they change it is
//! published again with the new ones: no deploy, no restart, and requests in flight finish on the
//! worker they began with.
//!
//! What a publication brings itself wins: `functions/.env`, `[edge_runtime.secrets]` and
//! `[functions.<slug>.env]` are what the Supabase CLI serves a project with, and the host's own
//! `SUPABASE_` names are nobody's to change. Secrets fill in the rest.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};

use isobase_base::task::{self, TaskKind};
use isobase_base::{Environments, Target, TargetKind};
use isobase_engine::{Function, Publication, Publish};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Publishes users' functions with their secrets.
pub struct WithSecrets {
    publish: Arc<dyn Publish>,
    environments: watch::Receiver<Arc<Environments>>,
    /// Held while something is published, so that an old publication never follows a new one.
    known: Mutex<HashMap<Target, Known>>,
}

struct Known {
    /// As it came, without secrets.
    publication: Publication,
    /// As it was handed on.
    environment: BTreeMap<String, String>,
}

impl WithSecrets {
    /// Hands publications on to `publish`, and follows `environments` until dropped. Must be called
    /// inside a tokio runtime.
    pub fn start(publish: Arc<dyn Publish>, environments: watch::Receiver<Arc<Environments>>) -> Arc<Self> {
        let mut changes = environments.clone();
        let this = Arc::new(Self { publish, environments, known: Mutex::default() });
        let follower: Weak<Self> = Arc::downgrade(&this);
        task::spawn(TaskKind::Service, "functions' secrets", async move {
            while changes.changed().await.is_ok() {
                let Some(this) = follower.upgrade() else { return };
                this.publish_changed();
            }
        });
        this
    }

    fn publish_changed(&self) {
        let environments = Arc::clone(&self.environments.borrow());
        let mut known = self.known.lock();
        for (target, known) in known.iter_mut() {
            let Ok(function) = &known.publication.function else { continue };
            let environment = joined(&environments, function);
            if environment == known.environment {
                continue;
            }
            tracing::info!(function = %target, "secrets changed; the function goes on with the new ones");
            known.environment.clone_from(&environment);
            self.publish.publish(furnished(&known.publication, environment));
        }
    }
}

impl Publish for WithSecrets {
    fn publish(&self, publication: Publication) {
        if publication.target.kind() != TargetKind::User {
            return self.publish.publish(publication);
        }
        let mut all = self.known.lock();
        let environments = Arc::clone(&self.environments.borrow());
        let environment = match &publication.function {
            Ok(function) => joined(&environments, function),
            Err(_) => BTreeMap::new(),
        };
        let furnished = furnished(&publication, environment.clone());
        all.insert(publication.target.clone(), Known { publication, environment });
        self.publish.publish(furnished);
    }

    fn withdraw(&self, target: &Target) {
        let mut known = self.known.lock();
        known.remove(target);
        self.publish.withdraw(target);
    }
}

/// The function's own variables win.
fn joined(environments: &Environments, function: &Function) -> BTreeMap<String, String> {
    let mut environment = environments.of(function.target.slug());
    let own = function.environment.iter();
    environment.extend(own.map(|(name, value)| (name.clone(), value.clone())));
    environment
}

fn furnished(publication: &Publication, environment: BTreeMap<String, String>) -> Publication {
    let mut publication = publication.clone();
    if let Ok(function) = &mut publication.function
        && function.environment != environment
    {
        *function = Arc::new(Function { environment, ..Function::clone(function) });
    }
    publication
}
