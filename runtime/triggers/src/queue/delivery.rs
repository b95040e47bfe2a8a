//! One delivery: messages to a function, its answer back to the queue.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::{Request, Response};
use isobase_base::limits::{
    FUNCTION_REQUEST_TIMEOUT, QUEUE_ANSWER_BYTES_MAX, QUEUE_DELAY_MAX, QUEUE_UNDELIVERED_PAUSE,
};
use isobase_base::observe::{Observation, QueueOutcome};
use isobase_base::{Body, Client, Context, Failure, FailureKind, Principal, RequestId, Target, TraceContext};
use tokio::sync::Notify;

use super::answer::{self, Retry};
use super::batch::{self, Claim, Claimed};
use super::table::{QueueTable, Settlement};
use super::{QueueConsumer, QueueHost, backoff, claimer};

/// Whom the function believes to be called as; it names no place that could be reached.
const AUTHORITY: &str = "localhost";
/// A settlement that Postgres did not take is sent again so often; then the messages are delivered
/// again instead.
const SETTLE_ATTEMPTS: u32 = 3;
const SETTLE_PAUSE: Duration = Duration::from_millis(200);

/// What deliveries of a consumer share.
#[derive(Clone)]
pub(super) struct Delivery {
    pub(super) host: QueueHost,
    pub(super) consumer: Arc<QueueConsumer>,
    pub(super) table: QueueTable,
    /// Told when a message will be visible earlier than its claim runs out.
    pub(super) sooner: Arc<Notify>,
}

/// What became of a delivery.
enum Outcome {
    /// The function answered; these it wants again.
    Answered(Vec<Retry>),
    /// It failed, with all of them.
    Failed(String),
    /// It never saw them.
    Undelivered(String),
}

/// Hands `messages` over and settles each. Never fails: what cannot be settled becomes visible again.
pub(super) async fn deliver(delivery: Delivery, messages: Vec<Claimed>) {
    let (messages, spent): (Vec<_>, Vec<_>) =
        messages.into_iter().partition(|message| delivery.may_be_attempted(message.claim));
    if !spent.is_empty() {
        let why = "the host ended during each attempt";
        let spent = spent.iter().map(|message| (message.claim, why.to_owned())).collect();
        delivery.settle(Settlement::Dead(spent)).await;
    }
    if messages.is_empty() {
        return;
    }
    let claims: Vec<Claim> = messages.iter().map(|message| message.claim).collect();
    let outcome = tokio::select! {
        outcome = delivery.invoke(&messages) => outcome,
        never = delivery.keep_hidden(&claims) => match never {},
    };
    match outcome {
        Outcome::Answered(retries) => delivery.settle_answered(&claims, &retries).await,
        Outcome::Failed(why) => {
            let retry = |claim: &Claim| Retry { id: claim.id, delay: None, why: Some(why.clone()) };
            let retries: Vec<_> = claims.iter().map(retry).collect();
            delivery.settle_answered(&claims, &retries).await;
        }
        Outcome::Undelivered(why) => {
            let QueueConsumer { queue, function, .. } = &*delivery.consumer;
            tracing::warn!(queue, %function, why, "messages could not be delivered; they stay in the queue");
            let back = claims.iter().map(|claim| (*claim, QUEUE_UNDELIVERED_PAUSE)).collect();
            delivery.settle(Settlement::Back(back)).await;
        }
    }
}

impl Delivery {
    /// A claim counts before the function sees the message; one beyond the last means that each host
    /// that had it died.
    fn may_be_attempted(&self, claim: Claim) -> bool {
        claim.attempts <= 1 || self.consumer.has_attempts_left(claim.attempts - 1)
    }

    async fn invoke(&self, messages: &[Claimed]) -> Outcome {
        let target = Target::user(self.consumer.function.clone());
        let response = self.host.invoker.invoke(target, self.request(messages), context()).await;
        match response {
            Ok(response) => read(response).await,
            Err(failure) => of_failure(&failure),
        }
    }

    fn request(&self, messages: &[Claimed]) -> Request<Body> {
        let body = batch::body(&self.consumer.queue, messages);
        let uri = format!("http://{AUTHORITY}/{}", self.consumer.function);
        let mut request = Request::post(uri).body(Body::from(body)).expect("a slug is a path");
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_static(AUTHORITY));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("x-isobase-trigger", HeaderValue::from_static("queue"));
        request
    }

    /// Moves the end of the messages' visibility on while the function works.
    async fn keep_hidden(&self, claims: &[Claim]) -> Infallible {
        let visibility = self.consumer.visibility_timeout;
        let extended: Vec<_> = claims.iter().map(|claim| (*claim, visibility)).collect();
        loop {
            tokio::time::sleep(visibility / 2).await;
            if let Err(error) = self.table.extend(&extended).await {
                claimer::report(&self.consumer, "messages could not be kept hidden", &error);
            }
        }
    }

    async fn settle_answered(&self, claims: &[Claim], retries: &[Retry]) {
        let (mut done, mut again, mut dead) = (Vec::new(), Vec::new(), Vec::new());
        for claim in claims {
            match retries.iter().find(|retry| retry.id == claim.id) {
                None => done.push(claim.id),
                Some(retry) if self.consumer.has_attempts_left(claim.attempts) => {
                    let backoff = || backoff::pause(self.consumer.retry_backoff, claim.attempts);
                    let pause = retry.delay.map_or_else(backoff, |delay| delay.min(QUEUE_DELAY_MAX));
                    again.push((*claim, pause));
                }
                Some(retry) => {
                    let why = retry.why.as_deref().unwrap_or("the function asked for a retry");
                    dead.push((*claim, why.to_owned()));
                }
            }
        }
        self.settle(Settlement::Done(done)).await;
        self.settle(Settlement::Again(again)).await;
        self.settle(Settlement::Dead(dead)).await;
    }

    /// Repeats what failed a few times.
    async fn settle(&self, settlement: Settlement) {
        let (outcome, messages) = match &settlement {
            Settlement::Done(ids) => (Some(QueueOutcome::Acknowledged), ids.len()),
            Settlement::Again(messages) => (Some(QueueOutcome::Retried), messages.len()),
            Settlement::Back(messages) => (None, messages.len()),
            Settlement::Dead(messages) => (Some(QueueOutcome::Dead), messages.len()),
        };
        if messages == 0 {
            return;
        }
        for attempt in 1.. {
            match self.table.settle(&settlement).await {
                Ok(()) => break,
                Err(error) if attempt == SETTLE_ATTEMPTS => {
                    claimer::report(&self.consumer, "messages were not settled", &error);
                    return;
                }
                Err(_) => tokio::time::sleep(SETTLE_PAUSE).await,
            }
        }
        if matches!(settlement, Settlement::Again(_) | Settlement::Back(_)) {
            self.sooner.notify_one();
        }
        if let Some(outcome) = outcome {
            let (queue, messages) = (self.consumer.queue.as_str(), messages as u64);
            self.host.observer.record(Observation::QueueSettled { queue, outcome, messages });
        }
    }
}

async fn read(response: Response<Body>) -> Outcome {
    let status = response.status();
    let body = response.into_body().collect(QUEUE_ANSWER_BYTES_MAX).await;
    if !status.is_success() {
        return Outcome::Failed(format!("the function answered {}", status.as_u16()));
    }
    match body {
        Ok(body) => answer::read(&body).map_or_else(Outcome::Failed, Outcome::Answered),
        Err(error) => Outcome::Failed(format!("the function's answer broke off: {error}")),
    }
}

fn of_failure(failure: &Failure) -> Outcome {
    let kind = failure.kind;
    let text = failure.to_string();
    // A function that is not there yet may come; nobody has failed at the message.
    if kind == FailureKind::NotFound || kind.may_retry() {
        Outcome::Undelivered(text)
    } else {
        Outcome::Failed(text)
    }
}

fn context() -> Context {
    Context {
        request_id: RequestId::generate(),
        trace: TraceContext::generate(),
        principal: Principal::service(),
        deadline: Instant::now() + FUNCTION_REQUEST_TIMEOUT,
        client: Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST) },
    }
}
