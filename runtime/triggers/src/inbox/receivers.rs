//! The door of functions that receive webhooks.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response};
use isobase_base::{Access, Body, BodyError, Context, Failure, Invoker, Target, TargetKind, limits};

use super::answer;
use super::receiver::{Mode, NotReceiving, Receiver, ReceiverTable};
use super::store::Inbox;
use super::webhook::{Webhook, headers_to_json, slack_challenge};

/// Checks webhooks on their way to their functions; every other request passes untouched.
pub struct Receivers {
    functions: Arc<dyn Invoker>,
    /// Read on every request.
    receivers: ArcSwap<ReceiverTable>,
    inbox: Inbox,
}

impl Receivers {
    pub fn new(functions: Arc<dyn Invoker>, receivers: ReceiverTable, inbox: Inbox) -> Self {
        Self { functions, receivers: ArcSwap::from_pointee(receivers), inbox }
    }

    /// These functions receive from now on, and no others.
    pub fn replace(&self, receivers: ReceiverTable) {
        self.receivers.store(Arc::new(receivers));
    }

    fn receiver(&self, target: &Target) -> Option<Result<Receiver, NotReceiving>> {
        let receivers = self.receivers.load();
        (target.kind() == TargetKind::User).then(|| receivers.get(target.slug()).cloned()).flatten()
    }

    async fn receive(
        &self,
        receiver: Receiver,
        target: Target,
        request: Request<Body>,
        context: Context,
    ) -> Result<Response<Body>, Failure> {
        if request.method() != Method::POST {
            return Ok(answer::not_post());
        }
        let (head, body) = request.into_parts();
        let body = match body.collect(limits::WEBHOOK_BODY_BYTES_MAX).await {
            Ok(body) => body,
            Err(BodyError::TooLarge { bytes_max }) => return Ok(answer::too_large(bytes_max)),
            Err(BodyError::Peer(_) | BodyError::Source(_)) => return Ok(answer::broken_off()),
        };
        let delivery = match receiver.verifier.verify(header(&head.headers), &body, seconds_since_1970()) {
            Ok(delivery) => delivery,
            Err(error) => {
                tracing::info!(function = %target, reason = error.code(), "a webhook was refused");
                return Ok(answer::unverified(&error));
            }
        };
        match receiver.mode {
            Mode::Verify => {
                self.functions.invoke(target, Request::from_parts(head, Body::from(body)), context).await
            }
            Mode::Inbox => {
                if let Some(challenge) = slack_challenge(&body) {
                    return Ok(answer::challenge(&challenge));
                }
                let webhook = Webhook {
                    function: target.slug().clone(),
                    event_id: delivery.id,
                    target: head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(),
                    headers: headers_to_json(&head.headers),
                    body,
                };
                Ok(self.keep(&webhook).await)
            }
        }
    }

    async fn keep(&self, webhook: &Webhook) -> Response<Body> {
        match self.inbox.keep(webhook).await {
            Ok(kept) => answer::kept(&kept),
            Err(error) => {
                tracing::error!(function = %webhook.function, %error, "a webhook could not be stored; its sender was told");
                answer::not_kept()
            }
        }
    }
}

impl Invoker for Receivers {
    /// The signature takes the place of a token.
    fn access(&self, target: &Target) -> Option<Access> {
        let access = self.functions.access(target)?;
        Some(if self.receiver(target).is_some() { Access { verify_jwt: false } } else { access })
    }

    fn invoke(
        &self,
        target: Target,
        request: Request<Body>,
        context: Context,
    ) -> BoxFuture<'_, Result<Response<Body>, Failure>> {
        match self.receiver(&target) {
            Some(Ok(receiver)) => Box::pin(self.receive(receiver, target, request, context)),
            Some(Err(problem)) => {
                tracing::error!(function = %target, %problem, "a webhook was turned away");
                Box::pin(std::future::ready(Ok(answer::not_receiving())))
            }
            None => self.functions.invoke(target, request, context),
        }
    }
}

/// A header that is there once and is text.
fn header<'h>(headers: &'h HeaderMap) -> impl Fn(&str) -> Option<&'h str> {
    |name| {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        }
    }
}

fn seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
