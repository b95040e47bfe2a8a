//! One attempt to hand a webhook to its function.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use isobase_base::{
    Client, Context, FailureKind, FunctionSlug, Invoker, Principal, RequestId, Target, TraceContext, limits,
};

use super::store::{Claim, Inbox, Next, Settlement};
use super::webhook;

/// A settlement that Postgres did not take is sent again so often; then the lease runs out and the
/// webhook is delivered once more.
const SETTLE_ATTEMPTS: u32 = 5;

/// Hands `claim` over and writes down what became of it.
pub(super) async fn deliver(inbox: Inbox, functions: Arc<dyn Invoker>, mut claim: Claim) {
    let settlement = if claim.attempt > claim.attempts_max {
        let error = Some("the host ended during each attempt".to_owned());
        Settlement { status: None, error, next: Next::Dead }
    } else {
        let body = std::mem::take(&mut claim.body);
        tokio::select! {
            outcome = invoke(&*functions, &claim, body) => settlement(&claim, outcome),
            () = keep_lease(&inbox, &claim) => return,
        }
    };
    if settlement.next == Next::Dead {
        let (id, function) = (&claim.id, &claim.function);
        tracing::error!(
            id,
            function,
            error = settlement.error,
            "a webhook is dead; `isobase webhooks replay` revives it"
        );
    }
    for _ in 0..SETTLE_ATTEMPTS {
        match inbox.settle(&claim, &settlement).await {
            Ok(()) => return,
            Err(_) if inbox.is_closed() => return,
            Err(error) => {
                tracing::warn!(id = claim.id, %error, "what became of a webhook could not be written down yet");
                tokio::time::sleep(limits::WEBHOOK_DATABASE_RETRY).await;
            }
        }
    }
}

/// Ends when the claim is another host's: this one was silent for too long.
async fn keep_lease(inbox: &Inbox, claim: &Claim) {
    loop {
        tokio::time::sleep(limits::WEBHOOK_LEASE_RENEWAL).await;
        if matches!(inbox.renew(claim).await, Ok(false)) {
            return;
        }
    }
}

/// What a function said: a status, or why there is none.
enum Outcome {
    Answered(u16),
    Failed(String),
    /// The host is stopping; that says nothing of the function.
    Interrupted,
}

async fn invoke(functions: &dyn Invoker, claim: &Claim, body: Vec<u8>) -> Outcome {
    let Ok(slug) = FunctionSlug::parse(&claim.function) else {
        return Outcome::Failed("the name of the function is not valid".into());
    };
    let request = webhook::request(&claim.id, &claim.target, &claim.headers, body.into(), claim.attempt);
    let request = match request {
        Ok(request) => request,
        Err(error) => return Outcome::Failed(format!("the request cannot be made: {error}")),
    };
    let context = Context {
        request_id: RequestId::generate(),
        trace: TraceContext::generate(),
        principal: Principal::anon(),
        deadline: Instant::now() + limits::FUNCTION_REQUEST_TIMEOUT,
        client: Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST) },
    };
    match functions.invoke(Target::user(slug), request, context).await {
        Ok(response) => {
            let status = response.status().as_u16();
            // The function has said what it has to say; a long answer is not waited for.
            _ = response.into_body().collect(limits::WEBHOOK_ANSWER_BYTES_MAX).await;
            Outcome::Answered(status)
        }
        Err(failure) if failure.kind == FailureKind::Cancelled => Outcome::Interrupted,
        Err(failure) => Outcome::Failed(failure.to_string()),
    }
}

fn settlement(claim: &Claim, outcome: Outcome) -> Settlement {
    let is_last = claim.attempt >= claim.attempts_max;
    let again = if is_last { Next::Dead } else { Next::Again { after: pause(claim) } };
    match outcome {
        Outcome::Answered(status @ 200..=299) => {
            Settlement { status: Some(status), error: None, next: Next::Delivered }
        }
        Outcome::Answered(status) => {
            let error = Some(format!("the function answered {status}"));
            Settlement { status: Some(status), error, next: again }
        }
        Outcome::Failed(why) => Settlement { status: None, error: Some(why), next: again },
        Outcome::Interrupted => {
            Settlement { status: None, error: Some("the host was stopped".into()), next: Next::Interrupted }
        }
    }
}

/// Doubles with every attempt since the last replay, up to its bound.
fn pause(claim: &Claim) -> Duration {
    let granted = i32::try_from(limits::WEBHOOK_ATTEMPTS_MAX).unwrap_or(i32::MAX);
    let since_replay = claim.attempt - (claim.attempts_max - granted);
    let doublings = u32::try_from(since_replay - 1).unwrap_or(0).min(30);
    limits::WEBHOOK_RETRY_MIN.saturating_mul(1 << doublings).min(limits::WEBHOOK_RETRY_MAX)
}

#[cfg(test)]
mod tests {
    use super::{Claim, Outcome, pause, settlement};
    use crate::inbox::store::Next;
    use isobase_base::limits::{WEBHOOK_ATTEMPTS_MAX, WEBHOOK_RETRY_MAX, WEBHOOK_RETRY_MIN};
    use std::time::Duration;

    fn claim(attempt: i32, attempts_max: i32) -> Claim {
        let text = String::new;
        let (id, function, target, headers) = (text(), text(), text(), text());
        Claim { id, function, target, headers, body: Vec::new(), attempt, attempts_max }
    }

    #[test]
    fn pauses_double_up_to_a_bound_and_begin_anew_with_a_replay() {
        let granted = i32::try_from(WEBHOOK_ATTEMPTS_MAX).unwrap();
        assert_eq!(pause(&claim(1, granted)), WEBHOOK_RETRY_MIN);
        assert_eq!(pause(&claim(4, granted)), 8 * WEBHOOK_RETRY_MIN);
        assert_eq!(pause(&claim(granted, granted)), WEBHOOK_RETRY_MAX);
        assert_eq!(pause(&claim(granted + 1, granted * 2)), WEBHOOK_RETRY_MIN);
        let all: Duration = (1..granted).map(|attempt| pause(&claim(attempt, granted))).sum();
        assert!(all > Duration::from_secs(9 * 3600), "an outage of a night is survived: {all:?}");
    }

    #[test]
    fn only_a_success_is_delivered_and_only_the_last_failure_is_dead() {
        let next = |attempt, outcome| settlement(&claim(attempt, 16), outcome).next;
        assert_eq!(next(1, Outcome::Answered(204)), Next::Delivered);
        assert_eq!(next(1, Outcome::Answered(302)), Next::Again { after: WEBHOOK_RETRY_MIN });
        assert_eq!(next(16, Outcome::Failed("x".into())), Next::Dead);
        assert_eq!(next(16, Outcome::Interrupted), Next::Interrupted);
    }
}
