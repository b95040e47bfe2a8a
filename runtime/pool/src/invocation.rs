//! One request on its way: the wait for a place, the call under its clocks, the record at the end.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use isobase_base::observe::InvocationEnd;
use isobase_base::{Body, Context, Failure, FailureKind, RequestId};
use isobase_engine::Usage;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::decisions::Wait;
use crate::lane::{Admission, Lane, Place};
use crate::{held, upgraded};

/// An invocation that has a place in a worker. Ends, and is recorded, exactly once: by `end`, or
/// when dropped because the caller went away.
pub(crate) struct Invocation {
    place: Place,
    request_id: RequestId,
    started: Instant,
    queue_wait: Duration,
    /// It waited for a worker to boot.
    cold: bool,
    /// Filled in by the engine.
    usage: Usage,
    /// Of the head that was sent.
    status: Option<u16>,
    ended: bool,
}

/// Finds a place for the request and answers it.
pub(crate) async fn invoke(
    lane: Arc<Lane>,
    request: Request<Body>,
    context: Context,
) -> Result<Response<Body>, Failure> {
    let arrived = Instant::now();
    let mut cold = false;
    let (place, started) = match lane.admit() {
        Admission::Now(place) => (Ok(place), arrived),
        Admission::Later { place, wait } => {
            cold = wait != Wait::Worker;
            let deadline = Instant::from_std(context.deadline);
            let until = match wait {
                Wait::Worker => (arrived + lane.config.queue_timeout).min(deadline),
                Wait::FirstBoot => {
                    (arrived + lane.config.queue_timeout + lane.config.boot_timeout).min(deadline)
                }
                Wait::FirstBuild => deadline,
            };
            let place = match tokio::time::timeout_at(until, place).await {
                Ok(Ok(place)) => place,
                Ok(Err(_)) => Err(Failure::new(FailureKind::Cancelled, "the function was taken away")),
                Err(_) => {
                    let waited = until.saturating_duration_since(arrived);
                    let what = if wait == Wait::FirstBuild { "was built" } else { "became free" };
                    Err(Failure::new(FailureKind::Overloaded, format!("no worker {what} in {waited:?}")))
                }
            };
            (place, Instant::now())
        }
        Admission::Refused(failure) => (Err(failure), arrived),
    };
    let queue_wait = started.saturating_duration_since(arrived);
    match place {
        Ok(place) => {
            let request_id = context.request_id;
            let (usage, status) = (Usage::default(), None);
            let invocation =
                Invocation { place, request_id, started, queue_wait, cold, usage, status, ended: false };
            invocation.run(request, context).await
        }
        Err(failure) => {
            lane.function.invocation(&InvocationEnd {
                request_id: context.request_id,
                version: lane.version().map(|version| version.0),
                status: None,
                failure: Some((failure.kind, &failure.detail)),
                queue_wait,
                duration: Duration::ZERO,
                cpu: Duration::ZERO,
                memory_bytes: 0,
                cold,
            });
            Err(failure)
        }
    }
}

impl Invocation {
    async fn run(mut self, mut request: Request<Body>, context: Context) -> Result<Response<Body>, Failure> {
        let handover = upgraded::intercept(&mut request);
        request.extensions_mut().insert(self.usage.clone());
        let limits = self.place.booted.limits;
        let (wall_clock_end, wall_clock_max) = self.wall_clock();
        let head_end = (self.started + limits.idle_timeout).min(Instant::from_std(context.deadline));
        let call = self.place.booted.worker.invoke(request, context);
        let outcome = match within(head_end.min(wall_clock_end), call).await {
            Some(outcome) => outcome,
            None if wall_clock_end <= head_end => Err(wall_clock_over(wall_clock_max)),
            None => {
                let waited = head_end.saturating_duration_since(self.started);
                let detail = format!("no response within {waited:?}");
                Err(Failure::new(FailureKind::IdleTimeout, detail))
            }
        };
        self.status = outcome.as_ref().ok().map(|response| response.status().as_u16());
        match outcome {
            Ok(response) => Ok(match handover.accept(&response, self) {
                Some(invocation) => held::hold(response, invocation),
                None => response,
            }),
            Err(failure) => {
                self.end(Some((failure.kind, &failure.detail)));
                Err(failure)
            }
        }
    }

    /// Records the outcome. The place is given back when `self` is dropped, which follows.
    pub(crate) fn end(&mut self, failure: Option<(FailureKind, &str)>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.place.lane.function.invocation(&InvocationEnd {
            request_id: self.request_id,
            version: Some(self.place.booted.version.0),
            status: self.status,
            failure,
            queue_wait: self.queue_wait,
            duration: self.started.elapsed(),
            cpu: self.usage.cpu(),
            memory_bytes: self.usage.memory_bytes(),
            cold: self.cold,
        });
    }

    /// When the wall clock runs out, and the limit that says so.
    pub(crate) fn wall_clock(&self) -> (Instant, Duration) {
        let bound = self.place.booted.limits.wall_clock_max;
        (self.started + bound, bound)
    }

    pub(crate) fn lane(&self) -> &Arc<Lane> {
        &self.place.lane
    }
}

impl Drop for Invocation {
    fn drop(&mut self) {
        self.end(Some((FailureKind::Abandoned, "the caller went away before the end of the response")));
    }
}

pub(crate) fn wall_clock_over(bound: Duration) -> Failure {
    Failure::new(FailureKind::WallClockLimit, format!("the invocation ran longer than {bound:?}"))
}

/// `None` when `call` is not done at `end`. The timer is registered only once `call` has to wait:
/// most calls of built-ins never do.
async fn within<F: Future>(end: Instant, call: F) -> Option<F::Output> {
    let mut call = pin!(call);
    let mut timer = pin!(None::<Sleep>);
    poll_fn(move |context| {
        if let Poll::Ready(output) = call.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        if timer.is_none() {
            timer.set(Some(sleep_until(end)));
        }
        let timer = timer.as_mut().as_pin_mut().expect("set above");
        timer.poll(context).map(|()| None)
    })
    .await
}
