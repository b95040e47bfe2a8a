//! The network as one host gives it to its functions.

use std::sync::Arc;

use isobase_base::Egress;

use crate::client::HttpClient;
use crate::inward::Inward;
use crate::policy::{EgressPolicy, Surroundings};
use crate::resolve::{Resolve, SystemResolver};

/// What holds for functions that declare no egress list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stance {
    /// At a developer's machine everything but the host's own ports is open.
    #[default]
    Development,
    /// Private networks are closed.
    Production,
}

/// Makes the policy and the client of each function. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Network {
    stance: Stance,
    surroundings: Surroundings,
    resolver: Arc<dyn Resolve>,
    inward: Inward,
}

impl Network {
    pub fn new(stance: Stance, surroundings: Surroundings) -> Self {
        Self { stance, surroundings, resolver: Arc::new(SystemResolver), inward: Inward::default() }
    }

    /// Names are looked up with `resolver`.
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.resolver = resolver;
        self
    }

    pub fn resolver(&self) -> &Arc<dyn Resolve> {
        &self.resolver
    }

    pub fn stance(&self) -> Stance {
        self.stance
    }

    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// The way to the project's own API.
    pub fn inward(&self) -> &Inward {
        &self.inward
    }

    pub fn policy(&self, egress: &Egress) -> EgressPolicy {
        let surroundings = self.surroundings.clone();
        match self.stance {
            Stance::Development => EgressPolicy::development(surroundings, egress),
            Stance::Production => EgressPolicy::production(surroundings, egress),
        }
    }

    /// A client with connections of its own: one function's must not serve another, whose policy
    /// differs.
    pub fn client(&self, egress: &Egress) -> HttpClient {
        HttpClient::with_resolver(self.policy(egress), Arc::clone(&self.resolver))
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new(Stance::default(), Surroundings::default())
    }
}
