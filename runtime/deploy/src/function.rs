//! From settings to what an engine is told about a function.

use std::collections::BTreeMap;
use std::sync::Arc;

use isobase_base::project::{FunctionLimits, FunctionSettings};
use isobase_base::{Access, Capabilities, FunctionSlug, Isolation, Target};
use isobase_engine::{Absent, Artifact, Function, FunctionVersion, Limits, Publication};

/// Everything about a function but its version: equal ones need no new publication.
#[derive(Clone)]
pub(crate) struct Build {
    pub(crate) access: Access,
    pub(crate) outcome: Result<Ready, Absent>,
}

/// What a good build gives.
#[derive(Clone)]
pub(crate) struct Ready {
    pub(crate) artifact: Artifact,
    pub(crate) limits: Limits,
    pub(crate) capabilities: Capabilities,
    pub(crate) isolation: Isolation,
    pub(crate) environment: BTreeMap<String, String>,
}

impl Ready {
    /// `shared` are the variables of all functions, `host` those that the host gives, which win.
    pub(crate) fn new(
        artifact: Artifact,
        settings: &FunctionSettings,
        default_limits: &Limits,
        shared: &BTreeMap<String, String>,
        host: &BTreeMap<String, String>,
    ) -> Self {
        let mut environment = shared.clone();
        let own = settings.env.iter().filter(|(name, _)| !name.starts_with("SUPABASE_"));
        environment.extend(own.map(|(name, value)| (name.clone(), value.clone())));
        environment.extend(host.iter().map(|(name, value)| (name.clone(), value.clone())));
        Self {
            artifact,
            limits: limits(&settings.limits, default_limits),
            capabilities: settings.capabilities.clone(),
            isolation: settings.isolation,
            environment,
        }
    }
}

fn limits(own: &FunctionLimits, default: &Limits) -> Limits {
    Limits {
        memory_bytes_max: own.memory_bytes_max.unwrap_or(default.memory_bytes_max),
        cpu_max: own.cpu_max.unwrap_or(default.cpu_max),
        wall_clock_max: own.wall_clock_max.unwrap_or(default.wall_clock_max),
        idle_timeout: own.idle_timeout.unwrap_or(default.idle_timeout),
        concurrency_max: own.concurrency_max.unwrap_or(default.concurrency_max),
    }
}

impl Ready {
    /// As `version` of `target`.
    pub(crate) fn function(self, target: Target, version: u64) -> Arc<Function> {
        let Self { artifact, limits, capabilities, isolation, environment } = self;
        let version = FunctionVersion(version);
        Arc::new(Function { target, version, artifact, limits, capabilities, isolation, environment })
    }
}

impl Build {
    pub(crate) fn publication(&self, slug: &FunctionSlug, version: u64) -> Publication {
        let target = Target::user(slug.clone());
        let function = self.outcome.clone().map(|ready| ready.function(target.clone(), version));
        Publication { target, access: self.access, function }
    }

    /// Whether publishing `self` after `other` would change nothing.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let same_outcome = match (&self.outcome, &other.outcome) {
            (Ok(one), Ok(two)) => {
                one.limits == two.limits
                    && one.capabilities == two.capabilities
                    && one.isolation == two.isolation
                    && one.environment == two.environment
                    && same_artifact(&one.artifact, &two.artifact)
            }
            (Err(Absent::Broken(one)), Err(Absent::Broken(two))) => {
                one.kind == two.kind && one.detail == two.detail
            }
            (Err(Absent::Building), Err(Absent::Building)) => true,
            (Ok(_) | Err(_), _) => false,
        };
        self.access == other.access && same_outcome
    }
}

fn same_artifact(one: &Artifact, two: &Artifact) -> bool {
    match (one, two) {
        (Artifact::Component { bytes: one, reuse }, Artifact::Component { bytes: two, reuse: other }) => {
            one == two && reuse == other
        }
        (Artifact::Program(one), Artifact::Program(two)) => one == two,
        (Artifact::Component { .. }, Artifact::Program(_))
        | (Artifact::Program(_), Artifact::Component { .. }) => false,
    }
}
