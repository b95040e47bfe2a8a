//! The last layer: the request becomes an invocation, its outcome a response.

use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap};
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use hyper_util::rt::TokioIo;
use isobase_base::observe::{ConnectionEvent, Observation};
use isobase_base::{
    Body, BodyError, Context as Invocation, Failure, FailureKind, Target, Upgrade, UpgradedIo,
};

use super::bound::{self, Alarm, Guarded};
use super::forward;
use crate::gateway::Gateway;
use crate::refusal::Refusal;

/// Runs `target`. The future of this function owns the invocation: dropping it (the client went
/// away, a bound was broken) ends the invocation.
pub(super) async fn dispatch<B>(
    gateway: &Gateway,
    target: Target,
    mut request: Request<B>,
    invocation: Invocation,
    bytes_max: u64,
    offers_upgrade: bool,
) -> Result<Response<Body>, Refusal>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Display,
{
    if offers_upgrade {
        let upgrade = upgrade_of(&mut request);
        request.extensions_mut().insert(upgrade);
    }
    let method = request.method().clone();
    let deadline = invocation.deadline;
    let (parts, body) = request.into_parts();
    let Guarded { body, alarm } = bound::guard(body, bytes_max, gateway.config.limits.body_idle_timeout)?;
    let running = gateway.invoker.invoke(target, Request::from_parts(parts, body), invocation);
    let outcome = until_head(running, alarm, bytes_max, deadline).await.inspect_err(|refusal| {
        if refusal.status == StatusCode::REQUEST_TIMEOUT {
            gateway.observer.record(Observation::Connection { event: ConnectionEvent::TooSlow });
        }
    })?;
    match outcome {
        Ok(response) => acceptable(response, &method, offers_upgrade),
        Err(failure) => Err(Refusal::from(&failure)),
    }
}

/// Waits for the head of the response, a broken body or the deadline, whichever is first. A broken
/// body wins over a response that is ready at the same time: the function saw half a request.
async fn until_head(
    running: impl Future<Output = Result<Response<Body>, Failure>>,
    alarm: Option<Arc<Alarm>>,
    bytes_max: u64,
    deadline: Instant,
) -> Result<Result<Response<Body>, Failure>, Refusal> {
    let mut running = pin!(running);
    let watched = poll_fn(|context: &mut Context<'_>| {
        // The function first: it may be what reads the body, and so what raises the alarm.
        let outcome = running.as_mut().poll(context);
        match alarm.as_ref().map(|alarm| alarm.poll_raised(context, bytes_max)) {
            Some(Poll::Ready(refusal)) => Poll::Ready(Err(refusal)),
            Some(Poll::Pending) | None => outcome.map(Ok),
        }
    });
    match tokio::time::timeout_at(deadline.into(), watched).await {
        Ok(outcome) => outcome,
        Err(_) => {
            Err(Refusal::from(&Failure::new(FailureKind::IdleTimeout, "no response before the deadline")))
        }
    }
}

/// Checks what a function answered before it meets the wire.
fn acceptable(
    mut response: Response<Body>,
    method: &Method,
    offers_upgrade: bool,
) -> Result<Response<Body>, Refusal> {
    let is_upgrade = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if response.status().is_informational() && !(is_upgrade && offers_upgrade) {
        let failure = Failure::new(FailureKind::InvalidResponse, "a 1xx status is no response");
        return Err(Refusal::from(&failure));
    }
    forward::clean_response(response.headers_mut(), is_upgrade);
    let exact = response.body().size_hint().exact();
    check_length(response.headers_mut(), exact, method == Method::HEAD);
    Ok(response)
}

/// Drops a `Content-Length` that is malformed or contradicts the body: on the wire it would shift
/// where the next response begins.
fn check_length(headers: &mut HeaderMap, exact: Option<u64>, is_head: bool) {
    let mut announced = headers.get_all(CONTENT_LENGTH).iter();
    let (first, second) = (announced.next(), announced.next());
    let Some(first) = first else { return };
    let length = first.to_str().ok().and_then(|text| text.parse::<u64>().ok());
    let agrees = match (length, exact) {
        (None, _) => false,
        // The answer to HEAD announces what GET would send.
        (Some(_), Some(0)) if is_head => true,
        (Some(length), Some(exact)) => length == exact,
        (Some(_), None) => true,
    };
    if second.is_some() || !agrees {
        headers.remove(CONTENT_LENGTH);
    }
}

/// The connection to come, for a function that answers 101.
fn upgrade_of<B>(request: &mut Request<B>) -> Upgrade {
    let pending = hyper::upgrade::on(request);
    Upgrade::new(Box::pin(async move {
        let connection = pending.await.map_err(|error| BodyError::Peer(error.to_string()))?;
        Ok(Box::new(TokioIo::new(connection)) as Box<dyn UpgradedIo>)
    }))
}

#[cfg(test)]
mod tests {
    use super::{check_length, until_head};
    use http::StatusCode;
    use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};

    #[tokio::test]
    async fn a_function_that_never_answers_is_504() {
        let outcome = until_head(std::future::pending(), None, 0, std::time::Instant::now()).await;
        let refusal = outcome.expect_err("no answer");
        assert_eq!((refusal.status, refusal.code), (StatusCode::GATEWAY_TIMEOUT, "IDLE_TIMEOUT"));
    }

    #[test]
    fn a_content_length_that_lies_is_dropped() {
        let cases: [(&[&'static str], Option<u64>, bool, bool); 9] = [
            (&["5"], Some(5), false, true),
            (&["5"], None, false, true),
            (&["5"], Some(0), true, true),
            (&["5"], Some(4), false, false),
            (&["5"], Some(0), false, false),
            (&["5", "5"], Some(5), false, false),
            (&["5, 5"], Some(5), false, false),
            (&["-5"], None, false, false),
            (&["x"], None, true, false),
        ];
        for (announced, exact, is_head, is_kept) in cases {
            let mut headers = HeaderMap::new();
            for value in announced {
                headers.append(CONTENT_LENGTH, HeaderValue::from_static(value));
            }
            check_length(&mut headers, exact, is_head);
            assert_eq!(headers.contains_key(CONTENT_LENGTH), is_kept, "{announced:?} {exact:?}");
        }
    }
}
