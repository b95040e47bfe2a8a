//! The port between whoever has a request (gateway, trigger) and whatever runs functions.

use std::fmt;

use futures::future::BoxFuture;
use http::{Request, Response};

use crate::{Body, Context, Failure, FunctionSlug};

/// A function to run: a user's, or one that ships with the host.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Target {
    kind: TargetKind,
    slug: FunctionSlug,
    version: Option<u64>,
}

/// Which namespace a slug is looked up in; a user's function cannot shadow a built-in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TargetKind {
    Builtin,
    User,
}

impl Target {
    pub fn user(slug: FunctionSlug) -> Self {
        Self { kind: TargetKind::User, slug, version: None }
    }

    pub fn builtin(slug: FunctionSlug) -> Self {
        Self { kind: TargetKind::Builtin, slug, version: None }
    }

    pub fn kind(&self) -> TargetKind {
        self.kind
    }

    pub fn slug(&self) -> &FunctionSlug {
        &self.slug
    }

    /// This function in one of its deployed versions; without, whichever answers.
    #[must_use]
    pub fn at_version(&self, version: u64) -> Self {
        Self { version: Some(version), ..self.clone() }
    }

    /// The function, whatever its version.
    #[must_use]
    pub fn without_version(&self) -> Self {
        Self { version: None, ..self.clone() }
    }

    pub fn version(&self) -> Option<u64> {
        self.version
    }
}

/// Without the version: it labels metrics, which must not grow with every deploy.
impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TargetKind::Builtin => write!(formatter, "builtin:{}", self.slug),
            TargetKind::User => self.slug.fmt(formatter),
        }
    }
}

/// What the gateway must know of a function before it lets a request in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Whether a verified JWT or API key is demanded (`[functions.<slug>] verify_jwt`).
    pub verify_jwt: bool,
}

/// Runs functions.
///
/// Cancel-safe: dropping the future, or the body of the response, ends the invocation and gives
/// back what it held. The response may begin before the request's body has been read to its end.
pub trait Invoker: Send + Sync {
    /// How `target` may be reached; `None` when there is no such function.
    fn access(&self, target: &Target) -> Option<Access>;

    /// Hands `request` to the function. The URI is the one the function sees. An [`crate::Upgrade`]
    /// in the request's extensions may be taken by a function that answers 101.
    fn invoke(
        &self,
        target: Target,
        request: Request<Body>,
        context: Context,
    ) -> BoxFuture<'_, Result<Response<Body>, Failure>>;
}
