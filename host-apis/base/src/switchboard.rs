//! Who answers what: services that the host runs itself, and functions.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use http::{Request, Response};

use crate::{Access, Body, Context, Failure, FunctionSlug, Invoker, Target, TargetKind};

/// A surface that is no function, because functions depend on it: it must answer when none boots, or
/// it holds sockets for longer than any function lives. It checks its callers itself.
pub trait Service: Send + Sync {
    /// Answers one request. The URI's path is what follows the prefix in the gateway's table.
    /// Cancel-safe, like [`Invoker::invoke`].
    fn serve(
        &self,
        request: Request<Body>,
        context: Context,
    ) -> BoxFuture<'_, Result<Response<Body>, Failure>>;
}

/// Hands requests for built-in names to their service, if there is one, and all others on.
pub struct Switchboard {
    services: HashMap<FunctionSlug, Arc<dyn Service>>,
    functions: Arc<dyn Invoker>,
}

impl Switchboard {
    pub fn new(functions: Arc<dyn Invoker>) -> Self {
        Self { services: HashMap::new(), functions }
    }

    /// `name` is that of [`Target::builtin`].
    ///
    /// # Panics
    /// When `name` is no slug: it is written in the program.
    #[must_use]
    pub fn with(mut self, name: &str, service: Arc<dyn Service>) -> Self {
        let slug = FunctionSlug::parse(name).expect("the name of a service is a slug");
        self.services.insert(slug, service);
        self
    }

    fn service(&self, target: &Target) -> Option<&Arc<dyn Service>> {
        (target.kind() == TargetKind::Builtin).then(|| self.services.get(target.slug())).flatten()
    }
}

impl Invoker for Switchboard {
    fn access(&self, target: &Target) -> Option<Access> {
        match self.service(target) {
            Some(_) => Some(Access { verify_jwt: false }),
            None => self.functions.access(target),
        }
    }

    fn invoke(
        &self,
        target: Target,
        request: Request<Body>,
        context: Context,
    ) -> BoxFuture<'_, Result<Response<Body>, Failure>> {
        match self.service(&target) {
            Some(service) => service.serve(request, context),
            None => self.functions.invoke(target, request, context),
        }
    }
}
