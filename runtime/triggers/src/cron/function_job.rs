//! Jobs that call a function: through the port that the gateway uses, as `service_role`.

use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use chrono::{SecondsFormat, Utc};
use futures::future::poll_fn;
use http::{Method, Request, StatusCode};
use isobase_base::{
    Body, BodyError, Client, Context, Failure, FunctionSlug, Invoker, Principal, RequestId, Target,
    TraceContext, limits,
};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;

use super::job::Job;
use super::outcome::{OnBegin, Outcome};
use super::store::Run;

pub(super) struct FunctionJobs {
    invoker: Arc<dyn Invoker>,
    permits: Semaphore,
}

/// The body of a call.
#[derive(Serialize)]
struct Call<'a> {
    /// The job's name, or its number where it has none.
    job: &'a str,
    scheduled_at: String,
    attempt: i32,
    payload: &'a RawValue,
}

impl FunctionJobs {
    pub(super) fn new(invoker: Arc<dyn Invoker>) -> Self {
        Self { invoker, permits: Semaphore::new(limits::CRON_FUNCTION_RUNS_MAX) }
    }

    /// Calls the function and reads its answer to the end. Dropping the future ends the invocation.
    pub(super) async fn run(
        &self,
        job: &Job,
        run: &Run,
        slug: &FunctionSlug,
        payload: &RawValue,
        on_begin: OnBegin<'_>,
    ) -> Outcome {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        on_begin(Utc::now(), None);
        let timeout = job.timeout.min(limits::FUNCTION_REQUEST_TIMEOUT);
        let deadline = Instant::now() + timeout;
        let request = request(job, run, slug, payload);
        let call = self.invoker.invoke(Target::user(slug.clone()), request, context(deadline));
        let answer = async {
            let response = call.await?;
            let status = response.status();
            Ok((status, read_to_end(response.into_body()).await))
        };
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok((status, Ok(())))) => of_status(status),
            Ok(Ok((_status, Err(error)))) => Outcome::Failed(format!("the answer broke off: {error}")),
            Ok(Err(failure)) => of_failure(&failure),
            Err(_elapsed) => Outcome::Failed(format!("no complete answer within {timeout:?}")),
        }
    }
}

fn request(job: &Job, run: &Run, slug: &FunctionSlug, payload: &RawValue) -> Request<Body> {
    let number = job.id.to_string();
    let call = Call {
        job: job.name.as_deref().unwrap_or(&number),
        scheduled_at: run.due.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        attempt: run.attempt,
        payload,
    };
    let body = serde_json::to_vec(&call).expect("text and numbers are JSON");
    Request::builder()
        .method(Method::POST)
        .uri(format!("/{slug}"))
        .header("content-type", "application/json")
        .header("content-length", body.len())
        .header("x-isobase-trigger", "cron")
        .header("idempotency-key", run.idempotency_key())
        .body(Body::from(body))
        .expect("a slug is a path, and numbers are header values")
}

fn context(deadline: Instant) -> Context {
    Context {
        request_id: RequestId::generate(),
        trace: TraceContext::generate(),
        principal: Principal::service(),
        deadline,
        client: Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST) },
    }
}

/// The answer's content is nobody's; but it takes its end for the function to have ended.
async fn read_to_end(body: Body) -> Result<(), BodyError> {
    let mut body = pin!(body);
    poll_fn(|context| {
        loop {
            match http_body::Body::poll_frame(body.as_mut(), context) {
                Poll::Ready(Some(Ok(_frame))) => {}
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

/// A client's error comes again; a server's, and being asked to wait, may pass.
fn of_status(status: StatusCode) -> Outcome {
    // 546 is Supabase's own, beyond what the standard calls a server's error, as is all from 500 on.
    let may_pass = status.as_u16() >= 500
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    let text = status.to_string();
    if status.is_success() || status.is_redirection() {
        Outcome::Succeeded(text)
    } else if may_pass {
        Outcome::Failed(text)
    } else {
        Outcome::Hopeless(text)
    }
}

/// Even a function that is not there may be saved or deployed in a moment; the pauses between attempts
/// decide.
fn of_failure(failure: &Failure) -> Outcome {
    Outcome::Failed(format!("{}: {}", failure.kind.code(), failure.kind.public_message()))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::{Outcome, of_status};

    #[test]
    fn what_may_pass_is_tried_again() {
        let of = |code| of_status(StatusCode::from_u16(code).unwrap());
        assert_eq!(of(204), Outcome::Succeeded("204 No Content".into()));
        for code in [500, 503, 546, 408, 429] {
            assert!(matches!(of(code), Outcome::Failed(_)), "{code}");
        }
        for code in [400, 401, 404, 422] {
            assert!(matches!(of(code), Outcome::Hopeless(_)), "{code}");
        }
    }
}
