//! How functions reach the pool: whoever knows a new version publishes it.

use std::sync::Arc;

use futures::future::BoxFuture;
use isobase_base::{Access, Failure, Invoker, Target};

use crate::Function;

/// What a target answers with from now on.
#[derive(Clone, Debug)]
pub struct Publication {
    pub target: Target,
    pub access: Access,
    /// The function, or why there is none.
    pub function: Result<Arc<Function>, Absent>,
}

/// Why a target has no function.
#[derive(Clone, Debug)]
pub enum Absent {
    /// Answered with until the next publication: a source that does not compile is 503 `BOOT_ERROR`
    /// until it is saved again.
    Broken(Failure),
    /// Its first build is under way. Requests wait for the publication that follows.
    Building,
}

impl From<Failure> for Absent {
    fn from(failure: Failure) -> Self {
        Self::Broken(failure)
    }
}

/// Takes publications; the pool implements it.
pub trait Publish: Send + Sync {
    /// Replaces what the target was. Requests in flight finish on the version they began with.
    fn publish(&self, publication: Publication);

    /// The target is no more: 404 from now on.
    fn withdraw(&self, target: &Target);
}

/// Takes publications, tries them out and runs them; the pool implements it.
pub trait Stage: Publish + Invoker {
    /// Returns when `target` has a worker that can take a request.
    ///
    /// # Errors
    /// What the first request would be answered with: the boot's failure, with file, line and column.
    fn prewarm<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<(), Failure>>;
}
